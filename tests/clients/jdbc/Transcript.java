// Everything the JDBC driver does with a server, as a transcript: run it against two addresses and compare.
// The address comes from PGHOST, PGPORT and the like.
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.*;
import java.util.Arrays;
import java.util.Properties;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public final class Transcript {
    interface Work { void run() throws Exception; }

    static void say(Object... words) {
        var line = new StringBuilder();
        for (Object word : words) line.append(word).append(' ');
        System.out.println(line.toString().stripTrailing());
    }

    static Connection connect(String... settings) throws SQLException {
        var properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        for (int i = 0; i < settings.length; i += 2) properties.setProperty(settings[i], settings[i + 1]);
        return DriverManager.getConnection("jdbc:postgresql://" + System.getenv("PGHOST") + ":"
            + System.getenv("PGPORT") + "/" + System.getenv("PGDATABASE"), properties);
    }

    static void failing(String what, Work work) throws Exception {
        try {
            work.run();
            say(what, "did not fail");
        } catch (SQLException e) {
            say(what, e.getSQLState(), e.getMessage());
        }
    }

    static void rows(String what, ResultSet set) throws SQLException {
        var meta = set.getMetaData();
        for (int i = 1; i <= meta.getColumnCount(); i++) {
            say(what, "column", meta.getColumnLabel(i), meta.getColumnTypeName(i), meta.getPrecision(i));
        }
        while (set.next()) {
            var row = new StringBuilder();
            for (int i = 1; i <= meta.getColumnCount(); i++) row.append(set.getString(i)).append('|');
            say(what, row);
        }
    }

    static void queries(Connection c, String mode) throws Exception {
        try (var s = c.createStatement()) {
            s.execute("DROP TABLE IF EXISTS play_jdbc");
            say(mode, "create", s.executeUpdate("CREATE TABLE play_jdbc (id bigint PRIMARY KEY, label text)"));
            say(mode, "insert", s.executeUpdate("INSERT INTO play_jdbc SELECT i, 'l' || i FROM generate_series(1, 300) i"));
            rows(mode, s.executeQuery("SELECT * FROM customers WHERE id <= 12 ORDER BY id"));
            s.execute("DO $$ BEGIN RAISE WARNING 'psst'; END $$");
            say(mode, "warning", s.getWarnings().getSQLState(), s.getWarnings().getMessage());
            boolean more = s.execute("SELECT 1; UPDATE play_jdbc SET label = 'x' WHERE id < 5; SELECT name FROM customers WHERE id = 3");
            while (more || s.getUpdateCount() >= 0) {
                if (more) rows(mode, s.getResultSet()); else say(mode, "updated", s.getUpdateCount());
                more = s.getMoreResults();
            }
        }
        // The driver names its statement on the server from the fifth execution on, and asks for binary.
        try (var p = c.prepareStatement("SELECT id, name, email, created_at FROM customers WHERE id = ?")) {
            for (long key = 1; key <= 9; key++) {
                p.setLong(1, key);
                rows(mode + " prepared " + key, p.executeQuery());
            }
        }
        try (var p = c.prepareStatement("INSERT INTO play_jdbc VALUES (?, ?) RETURNING id, label", Statement.RETURN_GENERATED_KEYS)) {
            p.setLong(1, 1000);
            p.setString(2, "ключ");
            p.execute();
            rows(mode + " returned", p.getGeneratedKeys());
        }
    }

    static void fetchSize(Connection c, String mode) throws Exception {
        c.setAutoCommit(false);
        try (var p = c.prepareStatement("SELECT id, email FROM customers ORDER BY id LIMIT 400")) {
            p.setFetchSize(35);
            rows(mode + " fetched", p.executeQuery());
        }
        try (var p = c.prepareStatement("SELECT id FROM customers ORDER BY id")) {
            p.setFetchSize(10);
            var set = p.executeQuery();
            for (int i = 0; i < 15; i++) set.next();
            say(mode, "left at", set.getLong(1));
        }
        c.commit();
        c.setAutoCommit(true);
    }

    static void batch(Connection c, String mode) throws Exception {
        try (var p = c.prepareStatement("INSERT INTO play_jdbc VALUES (?, ?)")) {
            for (int i = 0; i < 700; i++) {
                p.setLong(1, 5000 + i);
                p.setString(2, "batch " + i);
                p.addBatch();
            }
            say(mode, "batch", Arrays.stream(p.executeBatch()).sum());
        }
        failing(mode + " batch with a duplicate", () -> {
            try (var p = c.prepareStatement("INSERT INTO play_jdbc VALUES (?, 'x')")) {
                for (long key : new long[] {9001, 1, 9002}) {
                    p.setLong(1, key);
                    p.addBatch();
                }
                p.executeBatch();
            }
        });
        try (var s = c.createStatement()) {
            rows(mode + " counted", s.executeQuery("SELECT count(*), sum(id) FROM play_jdbc"));
        }
    }

    static void copies(Connection c, String mode) throws Exception {
        CopyManager copy = c.unwrap(PGConnection.class).getCopyAPI();
        var out = new StringWriter();
        say(mode, "copied out", copy.copyOut("COPY (SELECT id, name, phone FROM customers WHERE id <= 300 ORDER BY id) TO STDOUT (FORMAT csv)", out));
        say(out);
        var in = new StringBuilder();
        for (int i = 0; i < 3000; i++) in.append(20000 + i).append("\tcopied ").append(i).append('\n');
        say(mode, "copied in", copy.copyIn("COPY play_jdbc FROM STDIN", new StringReader(in.toString())));
        failing(mode + " copy again", () -> copy.copyIn("COPY play_jdbc FROM STDIN", new StringReader(in.toString())));
    }

    static void errors(Connection c, String mode) throws Exception {
        try (var s = c.createStatement()) {
            failing(mode + " syntax", () -> s.execute("SELEC 1"));
            failing(mode + " midway", () -> rows(mode, s.executeQuery("SELECT id, 1 / (id - 5) FROM customers ORDER BY id")));
            failing(mode + " raise", () -> s.execute("DO $$ BEGIN RAISE EXCEPTION 'own words' USING ERRCODE = 'ZZ001', HINT = 'look'; END $$"));
            s.setQueryTimeout(1);
            failing(mode + " cancelled", () -> s.execute("SELECT pg_sleep(60)"));
            s.setQueryTimeout(0);
            rows(mode + " after", s.executeQuery("SELECT email FROM customers WHERE id = 5"));
        }
    }

    static void notifications() throws Exception {
        try (var listener = connect(); var speaker = connect()) {
            try (var s = listener.createStatement()) { s.execute("LISTEN jdbc_trail"); }
            try (var s = speaker.createStatement()) { s.execute("NOTIFY jdbc_trail, 'um'; NOTIFY jdbc_trail, 'dois'"); }
            int heard = 0;
            while (heard < 2) {
                for (PGNotification n : listener.unwrap(PGConnection.class).getNotifications(20_000)) {
                    say("notify", n.getName(), n.getParameter());
                    heard++;
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        for (String mode : new String[] {"extended", "simple", "extendedForPrepared"}) {
            try (var c = connect("preferQueryMode", mode)) {
                var meta = c.getMetaData();
                say(mode, meta.getDatabaseProductVersion(), c.unwrap(PGConnection.class).getParameterStatuses().get("TimeZone"));
                queries(c, mode);
                fetchSize(c, mode);
                batch(c, mode);
                copies(c, mode);
                errors(c, mode);
            }
        }
        notifications();
        say("end");
    }
}
