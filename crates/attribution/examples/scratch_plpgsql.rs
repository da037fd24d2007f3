fn main() {
    for t in [
        r#"DO $$ DECLARE n text := (SELECT nome FROM pacientes WHERE registo = 22); p record; q pacientes%ROWTYPE; v int; BEGIN EXECUTE 'SELECT erro_' || replace(n, ' ', '_') INTO v USING n, 3; FOR p IN SELECT * FROM pacientes WHERE registo <= 2 LOOP RAISE NOTICE '%', reverse(p.nome) USING DETAIL = n; END LOOP; SELECT a,b INTO STRICT v, n FROM x; v := v + 1; IF v > 3 THEN RETURN; ELSIF v=4 THEN NULL; ELSE PERFORM f(n); END IF; FOR i IN 1..v LOOP INSERT INTO c VALUES (i) RETURNING i INTO v; END LOOP; EXCEPTION WHEN OTHERS THEN RAISE; END $$;"#,
        r#"CREATE FUNCTION f(a int, INOUT b text, t pacientes) RETURNS SETOF text LANGUAGE plpgsql AS $$ DECLARE c refcursor := 'aberto'; k CURSOR (x int) FOR SELECT 1 FROM p WHERE y = x; BEGIN OPEN c FOR SELECT reverse(nome) FROM atendimento.pacientes WHERE registo = a; OPEN k(3); FETCH k INTO b; FOR r IN k(4) LOOP NULL; END LOOP; RETURN QUERY EXECUTE 'SELECT 1' || a USING b; RETURN QUERY SELECT 1; RETURN NEXT b; FOREACH b IN ARRAY z LOOP NULL; END LOOP; WHILE b > 1 LOOP CASE b WHEN 1 THEN NULL; ELSE NULL; END CASE; END LOOP; RETURN (SELECT 1); END $$;"#,
        r#"CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO copia SELECT reverse(nome) FROM pacientes WHERE registo = NEW.n; NEW.n := 3; RETURN NEW; END $$;"#,
    ] {
        match pg_query::parse_plpgsql(t) {
            Ok(v) => println!("{}", v),
            Err(e) => println!("ERR {e:?}"),
        }
    }
    let r = pg_query::parse("CREATE RULE r AS\n ON INSERT TO at.fonte DO  SELECT reverse(p.nome) FROM at.p WHERE p.registo = new.n;", 0).unwrap();
    println!("{:?}", r.protobuf.stmts[0].stmt);
    let r = pg_query::parse("MERGE INTO copia c USING (SELECT 1 AS x) s ON n = s.x WHEN NOT MATCHED THEN INSERT (a) VALUES (s.x) WHEN MATCHED AND s.x>1 THEN UPDATE SET a = s.x", 0).unwrap();
    println!("{:?}", r.protobuf.stmts[0].stmt);
}
