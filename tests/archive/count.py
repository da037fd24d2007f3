"""Counts what an archive holds, with an engine that knows nothing of Rastro: `count.py duckdb|pyarrow STORE`.

Reads the files that the newest manifest names, and prints one JSON object."""

import json
import pathlib
import sys

engine, store = sys.argv[1], pathlib.Path(sys.argv[2])
newest = max((store / "manifest").iterdir())
manifest = json.loads(newest.read_text().split("\n", 1)[0])
files = {}
for segment in manifest["segments"]:
    for file in segment["files"]:
        files.setdefault(file["table"], []).append(str(store / file["path"]))


def with_duckdb():
    import duckdb

    db = duckdb.connect()
    for table, paths in files.items():
        db.execute(f"CREATE VIEW {table} AS SELECT *, parse_filename(filename) AS segment"
                   f" FROM read_parquet({paths!r}, filename = true)")
    # The number of an entry: so far after the last tick of its segment at or before its time.
    db.execute("CREATE VIEW numbered AS SELECT s.line, c.entry + s.after AS entry FROM statements s"
               " ASOF JOIN clock c ON s.segment = c.segment AND s.time >= c.time")

    def one(sql):
        return db.execute(sql).fetchone()[0]

    return {
        "entries": one("SELECT count(*) FROM statements"),
        "last_entry": one("SELECT max(entry) FROM numbered"),
        "sum_of_entries": one("SELECT sum(entry) FROM numbered"),
        "first_time": one("SELECT epoch_us(min(time)) FROM statements"),
        "acts": one("SELECT count(*) FROM statements WHERE what = 'budget_reached'"),
        "reasons": one("SELECT count(*) FROM reasons WHERE reason = 'T-7'"),
        "rows": one("SELECT count(*) FROM disclosures WHERE subject_int IS NOT NULL"),
        "unattributed": one("SELECT sum(unattributed) FROM disclosures"),
        "of_ana": one("SELECT count(*) FROM disclosures JOIN statements USING (line) WHERE principal = 'ana'"
                      " AND subject_int IS NOT NULL"),
        "email": one("SELECT count(*) FROM disclosures WHERE fields = 'name;email' AND certainty = 'exact'"),
        "subjects_17": one("SELECT count(*) FROM disclosures WHERE subject_int = 17"),
        "in_sets": one("SELECT sum(subjects) FROM sets"),
    }


def with_pyarrow():
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    import pyarrow as pa

    def read(table):
        parts = [pq.ParquetFile(path).read() for path in files[table]]
        return pa.concat_tables(parts).unify_dictionaries()

    def count(mask):
        return pc.sum(mask.cast("int64")).as_py()

    def numbers():
        """The number of an entry: so far after the last tick of its segment at or before its time."""
        ticks = {pathlib.Path(path).name: pq.ParquetFile(path).read() for path in files["clock"]}
        for path in files["statements"]:
            rows = pq.ParquetFile(path).read(columns=["time", "after"]).sort_by("time")
            joined = rows.join_asof(ticks[pathlib.Path(path).name], on="time", by=[], tolerance=-(1 << 62))
            yield from pc.add(joined["entry"], joined["after"]).to_pylist()

    entries = list(numbers())
    statements, disclosures = read("statements"), read("disclosures")
    attributed = disclosures.filter(pc.is_valid(disclosures["subject_int"]))

    def text(table, column):
        return table[column].cast("string")

    rows_of_ana = statements.filter(pc.equal(text(statements, "principal"), "ana"))["line"]
    both = pc.and_(pc.equal(text(disclosures, "fields"), "name;email"),
                   pc.equal(text(disclosures, "certainty"), "exact"))
    return {
        "entries": statements.num_rows,
        "last_entry": max(entries),
        "sum_of_entries": sum(entries),
        "first_time": pc.min(statements["time"]).cast("int64").as_py(),
        "acts": count(pc.equal(text(statements, "what"), "budget_reached")),
        "reasons": count(pc.equal(text(read("reasons"), "reason"), "T-7")),
        "rows": attributed.num_rows,
        "unattributed": pc.sum(disclosures["unattributed"]).as_py(),
        "of_ana": count(pc.is_in(attributed["line"], value_set=rows_of_ana)),
        "email": count(both),
        "subjects_17": count(pc.equal(attributed["subject_int"], 17)),
        "in_sets": pc.sum(read("sets")["subjects"]).as_py(),
    }


def plain(value):
    return int(value) if value is not None else 0


counts = with_duckdb() if engine == "duckdb" else with_pyarrow()
print(json.dumps({name: plain(value) for name, value in counts.items()}))
