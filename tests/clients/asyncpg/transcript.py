"""Everything asyncpg does with a server, as a transcript: run it against two addresses and compare.

The address comes from PGHOST, PGPORT and the like.
"""

import asyncio
import io

import asyncpg


def say(*words):
    print(*words, flush=True)


async def failing(what, work):
    try:
        await work
        say(what, "did not fail")
    except asyncpg.PostgresError as error:
        say(what, error.sqlstate, error.severity, repr(error.message), repr(error.hint), repr(error.position))


async def prepared(connection):
    settings = connection.get_settings()
    for name in ("server_version", "server_encoding", "client_encoding", "TimeZone", "application_name"):
        say("parameter", name, getattr(settings, name))
    statement = await connection.prepare("SELECT id, name, email, phone, created_at FROM customers WHERE id = $1")
    say("parameters", [p.name for p in statement.get_parameters()], [(a.name, a.type.name) for a in statement.get_attributes()])
    for key in (1, 2, 3, 10_000_000):
        say("row", await statement.fetchrow(key), statement.get_statusmsg())
    say("value", await connection.fetchval("SELECT count(*) FROM customers WHERE language = $1", "en"))
    for row in await connection.fetch("SELECT t.ticket_number, c.* FROM tickets t JOIN customers c ON c.id = t.customer_id ORDER BY t.id LIMIT 100"):
        say("joined", dict(row))
    say("types", await connection.fetchrow(
        "SELECT 1::int2, 2::int4, 3::int8, 1.5::float4, 2.25::float8, 12345.678::numeric, true, 'x'::text, NULL::int,"
        " '\\x00ff'::bytea, date '2024-02-29', interval '1 mon 2 d 3 s', ARRAY[1, NULL, 3], '{\"a\": 1}'::jsonb,"
        " 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, '10.0.0.1'::inet, int4range(1, 5), row(1, 'x')"))


async def cursors(connection):
    async with connection.transaction():
        keys = []
        async for row in connection.cursor("SELECT id, email FROM customers ORDER BY id LIMIT 333", prefetch=50):
            keys.append(row["id"])
        say("cursor", keys)
        cursor = await connection.cursor("SELECT id, name FROM customers ORDER BY id LIMIT 100")
        say("fetch", await cursor.fetch(7))
        say("forward", await cursor.forward(10), await cursor.fetchrow())
        # Another statement while the portal is open.
        say("between", await connection.fetchval("SELECT name FROM customers WHERE id = 77"))
        say("rest", len(await cursor.fetch(1000)))


async def copy(connection):
    out = io.BytesIO()
    say(await connection.copy_from_query("SELECT id, name FROM customers WHERE id <= $1 ORDER BY id", 200, output=out))
    say("copy out", out.getvalue().decode())
    out = io.BytesIO()
    say(await connection.copy_from_table("agents", output=out, format="csv", header=True))
    say("copy table", out.getvalue().decode())
    await connection.execute("DROP TABLE IF EXISTS play_asyncpg; CREATE TABLE play_asyncpg (id bigint, label text)")
    records = [(i, f"label {i}") for i in range(5000)]
    say(await connection.copy_records_to_table("play_asyncpg", records=records))
    say(await connection.copy_to_table("play_asyncpg", source=io.BytesIO(b"1;x\n2;y\n"), format="csv", delimiter=";"))
    say("copied", await connection.fetchrow("SELECT count(*), sum(id) FROM play_asyncpg"))
    await failing("bad copy", connection.copy_to_table("play_asyncpg", source=io.BytesIO(b"zzz\n"), format="csv"))
    say("many", await connection.executemany("INSERT INTO play_asyncpg VALUES ($1, $2)", [(i, str(i)) for i in range(100)]))
    say(await connection.execute("DELETE FROM play_asyncpg WHERE id < 50"))


async def notifications():
    listener, speaker = await asyncpg.connect(), await asyncpg.connect()
    heard = asyncio.Queue()
    await listener.add_listener("trail", lambda c, pid, channel, payload: heard.put_nowait((channel, payload)))
    listener.add_log_listener(lambda c, message: say("notice", message.severity, message.sqlstate, message.message))
    for word in ("one", "deux", "três"):
        await speaker.execute(f"NOTIFY trail, '{word}'")
    for _ in range(3):
        say("notify", await asyncio.wait_for(heard.get(), 20))
    await listener.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
    await listener.close()
    await speaker.close()


async def errors(connection):
    await failing("syntax", connection.execute("SELEC 1"))
    await failing("column", connection.fetch("SELECT no_such FROM customers"))
    await failing("midway", connection.fetch("SELECT id, 1 / (id - 5) FROM customers ORDER BY id"))
    await failing("parameter", connection.fetch("SELECT $1::text::int", "seven"))
    await failing("raise", connection.execute("DO $$ BEGIN RAISE EXCEPTION 'own words' USING ERRCODE = 'ZZ001', HINT = 'look'; END $$"))
    say("after", await connection.fetchval("SELECT email FROM customers WHERE id = 4"))
    try:
        await connection.fetch("SELECT pg_sleep(60)", timeout=0.2)
        say("timeout did not come")
    except asyncio.TimeoutError:
        say("timeout")
    say("after timeout", await connection.fetchval("SELECT email FROM customers WHERE id = 5"))


async def concurrent():
    async with asyncpg.create_pool(min_size=4, max_size=8) as pool:
        async def one(number):
            return await pool.fetch("SELECT id, name, email FROM customers WHERE id % 20 = $1 ORDER BY id LIMIT 20", number)

        for rows in await asyncio.gather(*(one(n) for n in range(20))):
            say("pool", rows)


async def main():
    connection = await asyncpg.connect()
    await prepared(connection)
    await cursors(connection)
    await copy(connection)
    await errors(connection)
    say("large", len(await connection.fetchval("SELECT repeat('y', 3000000)")))
    async with connection.transaction(isolation="serializable", readonly=True):
        say("serializable", await connection.fetchval("SELECT current_setting('transaction_isolation')"))
    await connection.reset()
    await connection.close()
    await notifications()
    await concurrent()
    say("end")


asyncio.run(main())
