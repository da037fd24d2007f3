// Everything node-postgres does with a server, as a transcript: run it against two addresses and compare.
// The address comes from PGHOST, PGPORT and the like; the packages from NODE_PATH.
const { Client, Pool } = require('pg');
const Cursor = require('pg-cursor');
const { from: copyFrom, to: copyTo } = require('pg-copy-streams');
const { pipeline } = require('stream/promises');
const { Readable, Writable } = require('stream');

const say = (...words) => console.log(...words.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))));
const shape = (result) => ({
  command: result.command,
  count: result.rowCount,
  fields: result.fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.format, f.columnID]),
  rows: result.rows,
});

async function failing(what, work) {
  try {
    await work();
    say(what, 'did not fail');
  } catch (e) {
    say(what, e.code ?? '', e.severity ?? '', e.message, e.hint ?? '', e.position ?? '');
  }
}

async function queries(client) {
  await client.query('DROP TABLE IF EXISTS play_node');
  client.on('notice', (n) => say('notice', n.severity, n.code, n.message));
  say('create', shape(await client.query('CREATE TABLE play_node (id bigint PRIMARY KEY, label text)')));
  say('insert', shape(await client.query("INSERT INTO play_node SELECT i, 'l' || i FROM generate_series(1, 300) i RETURNING id")));
  say('simple', shape(await client.query('SELECT * FROM customers WHERE id <= 15 ORDER BY id')));
  say('bound', shape(await client.query('SELECT id, email FROM customers WHERE id = ANY($1) ORDER BY id', [[3, 5, 8]])));
  for (const key of [1, 2, 3]) {
    say('named', shape(await client.query({ name: 'one', text: 'SELECT name, phone FROM customers WHERE id = $1', values: [key] })));
  }
  say('binary', shape(await client.query({ text: 'SELECT id, name FROM customers WHERE id < $1 ORDER BY id', values: [6], binary: true })));
  say('array rows', shape(await client.query({ text: 'SELECT id, id FROM customers WHERE id < 4 ORDER BY id', rowMode: 'array' })));
  const several = await client.query("SELECT 1 AS a; UPDATE play_node SET label = 'x' WHERE id < 5; SELECT name FROM customers WHERE id = 2");
  several.forEach((result) => say('several', shape(result)));
  say('empty', shape(await client.query('')));
  await client.query("DO $$ BEGIN RAISE NOTICE 'psst'; END $$");
  const queued = await Promise.all([1, 2, 3, 4, 5].map((k) => client.query('SELECT email FROM customers WHERE id = $1', [k])));
  queued.forEach((result) => say('queued', shape(result)));
}

async function cursors(client) {
  const cursor = client.query(new Cursor('SELECT id, email FROM customers ORDER BY id LIMIT $1', [250]));
  for (;;) {
    const rows = await cursor.read(60);
    say('cursor', rows);
    if (rows.length === 0) break;
  }
  await cursor.close();
  const early = client.query(new Cursor('SELECT id FROM customers ORDER BY id'));
  say('early', await early.read(3));
  await early.close();
  say('after early', shape(await client.query('SELECT 1 AS one')));
}

async function copies(client) {
  const chunks = [];
  const sink = new Writable({ write(chunk, _, done) { chunks.push(chunk); done(); } });
  await pipeline(client.query(copyTo('COPY (SELECT id, name, email FROM customers WHERE id <= 500 ORDER BY id) TO STDOUT')), sink);
  say('copy out', Buffer.concat(chunks).toString());
  const lines = Array.from({ length: 2000 }, (_, i) => `${i + 1000}\tcopied ${i}\n`);
  await pipeline(Readable.from(lines), client.query(copyFrom('COPY play_node FROM STDIN')));
  say('copy in', shape(await client.query('SELECT count(*), sum(id) FROM play_node')));
  await failing('copy twice', () => pipeline(Readable.from(lines), client.query(copyFrom('COPY play_node FROM STDIN'))));
}

async function errors(client) {
  await failing('syntax', () => client.query('SELEC 1'));
  await failing('bound', () => client.query('SELECT $1::int', ['seven']));
  await failing('midway', () => client.query('SELECT id, 1 / (id - 5) FROM customers ORDER BY id'));
  await failing('unique', () => client.query('INSERT INTO play_node VALUES (1)'));
  await failing('raise', () => client.query("DO $$ BEGIN RAISE EXCEPTION 'own words' USING ERRCODE = 'ZZ001', HINT = 'look'; END $$"));
  say('after', shape(await client.query('SELECT name FROM customers WHERE id = 4')));
}

async function notifications() {
  const [listener, speaker] = [new Client(), new Client()];
  await Promise.all([listener.connect(), speaker.connect()]);
  const heard = new Promise((resolve) => {
    const notes = [];
    listener.on('notification', (n) => { notes.push([n.channel, n.payload]); if (notes.length === 2) resolve(notes); });
  });
  await listener.query('LISTEN node_trail');
  await speaker.query("NOTIFY node_trail, 'um'; NOTIFY node_trail, 'dois'");
  say('notify', await heard);
  await Promise.all([listener.end(), speaker.end()]);
}

async function main() {
  const client = new Client();
  await client.connect();
  await queries(client);
  await cursors(client);
  await copies(client);
  await errors(client);
  await client.end();
  await notifications();
  const pool = new Pool({ max: 6 });
  const pages = await Promise.all([...Array(12).keys()].map((n) => pool.query('SELECT id, name FROM customers WHERE id % 12 = $1 ORDER BY id LIMIT 20', [n])));
  pages.forEach((page) => say('pool', shape(page)));
  await pool.end();
  say('end');
}

main().catch((error) => { console.log('failed', error.message); process.exit(1); });
