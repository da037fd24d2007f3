"""Everything psycopg 3 does with a server, as a transcript: run it against two addresses and compare.

The address comes from PGHOST, PGPORT and the like.
"""

import asyncio
import threading

import psycopg
from psycopg import sql
from psycopg.rows import dict_row


def say(*words):
    print(*words, flush=True)


def failing(connection, what, work):
    try:
        work()
        say(what, "did not fail")
    except psycopg.Error as error:
        d = error.diag
        say(what, d.sqlstate, d.severity, repr(d.message_primary), repr(d.message_hint), repr(d.statement_position))
        connection.rollback()


def plain(connection):
    info = connection.info
    for name in ("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "is_superuser",
                 "session_authorization", "standard_conforming_strings", "application_name", "IntervalStyle"):
        say("parameter", name, info.parameter_status(name))
    # What an earlier run left is not part of the transcript.
    connection.execute("DROP SCHEMA IF EXISTS play_psycopg CASCADE")
    connection.add_notice_handler(lambda d: say("notice", d.severity, d.sqlstate, d.message_primary))
    with connection.cursor() as cursor:
        for query in (
            "DROP SCHEMA IF EXISTS never_there",
            "CREATE SCHEMA play_psycopg",
            "SET search_path = play_psycopg, public",
            "CREATE TABLE thing (id int PRIMARY KEY, label text, amount numeric, at timestamptz, raw bytea, tags text[])",
            "INSERT INTO thing SELECT i, 'thing ' || i, i / 7.0, '2024-05-01Z'::timestamptz + i * interval '1 h',"
            " decode(md5(i::text), 'hex'), ARRAY['a', NULL, i::text] FROM generate_series(1, 500) AS i",
            "UPDATE thing SET label = NULL WHERE id % 50 = 0",
            "DELETE FROM thing WHERE id > 490",
            "DO $$ BEGIN RAISE NOTICE 'to whom it may concern'; RAISE WARNING 'mind the step'; END $$",
            "SELECT * FROM thing WHERE id IN (1, 50, 51) ORDER BY id",
            "SELECT",
            "",
        ):
            cursor.execute(query)
            say("status", cursor.statusmessage, cursor.rowcount)
            if cursor.description:
                say("columns", [(c.name, c.type_code, c.internal_size, c.precision) for c in cursor.description])
                for row in cursor.fetchall():
                    say("row", row)
    connection.commit()


def customers(connection):
    for binary in (False, True):
        with connection.cursor(binary=binary, row_factory=dict_row) as cursor:
            cursor.execute("SELECT * FROM customers WHERE id <= %s ORDER BY id", (20,))
            for row in cursor:
                say("customer", binary, sorted(row.items()))
            cursor.execute(
                "SELECT t.ticket_number, c.email FROM tickets t JOIN customers c ON c.id = t.customer_id"
                " WHERE c.language = %s ORDER BY t.id LIMIT 200", ("pt",))
            say("joined", [tuple(row.values()) for row in cursor])
    with connection.cursor() as cursor:
        # Prepared after the fifth time on its own.
        for key in range(1, 12):
            cursor.execute("SELECT name, phone FROM customers WHERE id = %s", (key,))
            say("prepared", cursor.fetchone())
        cursor.executemany("SELECT id, email FROM customers WHERE id = %s", [(k,) for k in (3, 1, 2)], returning=True)
        while True:
            say("many", cursor.fetchall())
            if not cursor.nextset():
                break
        cursor.execute("SELECT 1 AS one; SELECT name FROM customers WHERE id = 9; SELECT 'x' AS two, NULL", prepare=False)
        while True:
            say("set", cursor.statusmessage, cursor.fetchall())
            if not cursor.nextset():
                break
    connection.commit()


def cursors(connection):
    with connection.cursor("trail") as cursor:
        cursor.itersize = 37
        cursor.execute("SELECT id, name, email FROM customers ORDER BY id LIMIT 400")
        say("server cursor", cursor.fetchmany(5), cursor.fetchone(), len(cursor.fetchall()))
    with connection.cursor("scroll", scrollable=True) as cursor:
        cursor.execute("SELECT id, email FROM customers WHERE id <= 50 ORDER BY id")
        cursor.scroll(20)
        say("scrolled", cursor.fetchone())
        cursor.scroll(3, mode="absolute")
        say("scrolled", cursor.fetchone())
    connection.commit()


def copy(connection):
    with connection.cursor() as cursor:
        with cursor.copy("COPY (SELECT id, name, phone FROM customers WHERE id <= 300 ORDER BY id) TO STDOUT") as out:
            say("copy text", b"".join(bytes(block) for block in out).decode())
        say("copy status", cursor.statusmessage)
        with cursor.copy("COPY (SELECT id, name FROM customers WHERE id <= 40 ORDER BY id) TO STDOUT (FORMAT csv, HEADER)") as out:
            say("copy csv", b"".join(bytes(block) for block in out).decode())
        with cursor.copy("COPY (SELECT id, email FROM customers WHERE id <= 40 ORDER BY id) TO STDOUT (FORMAT binary)") as out:
            out.set_types(["int8", "text"])
            say("copy binary", list(out.rows()))
        cursor.execute("CREATE TABLE copied (id bigint, label text)")
        with cursor.copy("COPY copied FROM STDIN") as into:
            for i in range(3000):
                into.write_row((i, f"row {i}\tü"))
        say("copied in", cursor.statusmessage)
        with cursor.copy("COPY copied FROM STDIN (FORMAT binary)") as into:
            into.set_types(["int8", "text"])
            into.write_row((-1, "binary"))
        cursor.execute("SELECT count(*), sum(id), md5(string_agg(label, ',' ORDER BY id)) FROM copied")
        say("copied", cursor.fetchone())
    connection.commit()

    def broken():
        with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as into:
            into.write("1\tok\nnot a number\tx\n")

    failing(connection, "copy of a wrong row", broken)

    class Mine(Exception):
        pass

    try:
        with connection.cursor() as cursor, cursor.copy("COPY copied FROM STDIN") as into:
            into.write("1\tok\n")
            raise Mine
    except Mine:
        connection.rollback()
        say("copy given up", connection.execute("SELECT count(*) FROM copied").fetchone())


def errors(connection):
    def run(query, *arguments):
        return lambda: connection.execute(query, *arguments)

    failing(connection, "syntax", run("SELEC 1"))
    failing(connection, "column", run("SELECT no_such FROM customers"))
    failing(connection, "division", run("SELECT id, 1 / (id - 5) FROM customers ORDER BY id"))
    failing(connection, "unique", run("INSERT INTO play_psycopg.thing (id) VALUES (1)"))
    failing(connection, "cast", run("SELECT %s::int", ("seven",)))
    failing(connection, "raise", run("DO $$ BEGIN RAISE EXCEPTION 'own words' USING ERRCODE = 'ZZ001', HINT = 'look here'; END $$"))
    failing(connection, "timeout", run("SET statement_timeout = 50; SELECT pg_sleep(10)"))
    connection.execute("SELECT 1")
    failing(connection, "in failed transaction", lambda: (swallow(connection, "SELECT 1/0"), connection.execute("SELECT 2")))
    say("after errors", connection.execute("SELECT name FROM customers WHERE id = 4").fetchone())
    connection.commit()


def swallow(connection, query):
    try:
        connection.execute(query)
    except psycopg.Error as error:
        say("swallowed", error.sqlstate)


def pipelines(connection):
    with connection.pipeline() as pipeline:
        answers = [connection.execute("SELECT id, name FROM customers WHERE id = %s", (i,)) for i in range(1, 60)]
        pipeline.sync()
        more = connection.execute("SELECT count(*) FROM customers")
    say("pipeline", [answer.fetchone() for answer in answers], more.fetchone())
    try:
        with connection.pipeline():
            first = connection.execute("SELECT email FROM customers WHERE id = 1")
            connection.execute("SELECT 1 / 0")
            connection.execute("SELECT email FROM customers WHERE id = 2")
    except psycopg.Error as error:
        say("pipeline error", type(error).__name__, error.sqlstate)
    say("pipeline first", first.fetchone())
    connection.rollback()
    say("pipeline after", connection.execute("SELECT 3").fetchone())
    connection.commit()


def notifies():
    with psycopg.connect(autocommit=True) as listener, psycopg.connect(autocommit=True) as speaker:
        listener.execute("LISTEN trail")
        for word in ("one", "zwei", "três"):
            speaker.execute("SELECT pg_notify('trail', %s)", (word,))
        for note in listener.notifies(timeout=20, stop_after=3):
            say("notify", note.channel, note.payload)


def cancel():
    with psycopg.connect(autocommit=True) as connection, psycopg.connect(autocommit=True) as watcher:
        pid = connection.info.backend_pid

        def press():
            while not watcher.execute(
                "SELECT 1 FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()",
                ("SELECT 'cancel me psycopg'%",),
            ).fetchone():
                pass
            connection.cancel_safe()

        presser = threading.Thread(target=press)
        presser.start()
        try:
            connection.execute("SELECT 'cancel me psycopg', pg_sleep(60)")
            say("cancel came too late")
        except psycopg.errors.QueryCanceled as error:
            say("cancelled", error.sqlstate, error.diag.message_primary)
        presser.join()
        say("pid is a number", pid > 0, connection.execute("SELECT 1").fetchone())


def large(connection):
    row = connection.execute("SELECT repeat('x', 5000000), id FROM customers WHERE id = 1").fetchone()
    say("large", len(row[0]), row[1])
    text = "ß" * 1_000_000
    say("large in", connection.execute("SELECT length(%s), %b::bytea = %b::bytea", (text, b"\0\1" * 500_000, b"\0\1" * 500_000)).fetchone())
    connection.commit()


def two_phase(connection):
    with connection.transaction():
        connection.execute("INSERT INTO play_psycopg.thing (id) VALUES (1001)")
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("play_psycopg", "thing")))
    say("savepoints", connection.execute("SELECT count(*) FROM play_psycopg.thing").fetchone())
    connection.commit()
    connection.set_isolation_level(psycopg.IsolationLevel.SERIALIZABLE)
    connection.read_only = True
    failing(connection, "read only", lambda: connection.execute("DELETE FROM play_psycopg.thing"))


async def concurrent():
    async def one(number):
        async with await psycopg.AsyncConnection.connect() as connection:
            answer = await connection.execute("SELECT id, email FROM customers WHERE id %% 10 = %s ORDER BY id LIMIT 50", (number,))
            return await answer.fetchall()

    for rows in await asyncio.gather(*(one(n) for n in range(10))):
        say("concurrent", rows)


def main():
    with psycopg.connect() as connection:
        plain(connection)
        customers(connection)
        cursors(connection)
        copy(connection)
        errors(connection)
        pipelines(connection)
        large(connection)
        two_phase(connection)
    notifies()
    cancel()
    asyncio.run(concurrent())
    say("end")


main()
