"""A session of psycopg with the connection string given, a query in it, and a cancel; says what it saw.

The cancel request goes in clear, as libpq did up to version 16, or with a second argument `confirmed` encrypted as
the session is, and libpq waits until it has been taken.
"""

import sys
import threading

import psycopg

address = sys.argv[1]
with psycopg.connect(address, autocommit=True) as session, psycopg.connect(address, autocommit=True) as watcher:
    print("encrypted", session.pgconn.ssl_in_use)
    print("name", session.execute("SELECT name, id FROM customers WHERE id = 3").fetchone()[0])
    outcome = []

    def sleep():
        try:
            session.execute("SELECT pg_sleep(300)")
            outcome.append("slept")
        except psycopg.Error as error:
            outcome.append(error.sqlstate)

    sleeper = threading.Thread(target=sleep)
    sleeper.start()
    running = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
    while watcher.execute(running, [session.info.backend_pid]).fetchone()[0] == 0:
        pass
    if sys.argv[2:] == ["confirmed"]:
        session.cancel_safe()
    else:
        session.cancel()
    sleeper.join()
    print("cancelled", *outcome)
    print("again", session.execute("SELECT name FROM customers WHERE id = 4").fetchone()[0])
