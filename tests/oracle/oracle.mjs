// Every token id of ours beside those of the reference implementation (npm tiktoken: OpenAI's own
// core, as wasm): node oracle.mjs MODULE TOKENS_IDS [--fuzz-tokens N] [--vectors FILE] PATH...
//
// Reads each file below the paths (XML: its text content) and then invents texts until they have N
// tokens. --vectors writes a sample of both for the unit tests: `text in hexadecimal<tab>ids`.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {createRequire} from 'node:module';

const BATCH_BYTES = 1 << 20;

function parseArguments(list) {
  const options = {fuzzTokens: 0, vectors: null, paths: []};
  options.module = list.shift();
  options.program = list.shift();
  while (list.length) {
    const word = list.shift();
    if (word === '--fuzz-tokens') options.fuzzTokens = Number(list.shift());
    else if (word === '--vectors') options.vectors = list.shift();
    else options.paths.push(word);
  }
  return options;
}

// ---- texts -----------------------------------------------------------------------------------------

function* filesBelow(name) {
  if (!fs.statSync(name).isDirectory()) return yield name;
  for (const entry of fs.readdirSync(name).sort()) yield* filesBelow(path.join(name, entry));
}

const ENTITIES = {amp: '&', lt: '<', gt: '>', quot: '"', apos: "'"};

function textOf(name) {
  const text = fs.readFileSync(name).toString('utf8');
  if (!name.endsWith('.xml')) return text;
  return text
    .replace(/<!--[^]*?-->|<[^>]*>/g, '')
    .replace(/&(\w+);/g, (whole, entity) => ENTITIES[entity] ?? whole);
}

// xorshift128: the same texts on every machine.
function makeRandom(seed) {
  let [x, y, z, w] = [seed, 362436069, 521288629, 88675123];
  return (below) => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return w % below;
  };
}

// What the scanner could trip over, each as likely as a whole plane of others.
const AWKWARD = [
  "'", "'s", "'S", "'\u017f", "'ll", "'Ll", "'lx", "'ve", "'rE", "'d", '\u2019s', ' ', '  ', '\t', '\n', '\r', '\r\n',
  '\n\n', '\v', '\f', '\u0085', '\u00a0', '\u1680', '\u180e', '\u2000', '\u200b', '\u200d', '\u2028', '\u2029', '\u202f',
  '\u205f', '\u3000', '\ufeff', '\u0301', '\u0345', '\u093f', '\u0e31', '\u20dd', '\ufe0f', '\u{1f3fd}', '\u00b2',
  '\u00bd', '\u2167', '\u2460', '\u0661', '\u3007', '\u4e00', '1', '12', '1234', '\u00aa', '\u01c5', '\u02b0', '\u0378',
  '\u{e01ef}', '\u{10ffff}', '\ufffd', '\0', '<|endoftext|>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>',
  '<|endofprompt|>', '...', '----', '====', '////', '"', '(', '\u00ab', '\u{1f600}', '\u{1d54f}', '\u0130', '\u1e9e',
];
const BLOCKS = [
  [0x20, 0x7f], [0x20, 0x7f], [0x41, 0x5b], [0x61, 0x7b], [0x61, 0x7b], [0x80, 0x250], [0x250, 0x370], [0x370, 0x600],
  [0x600, 0x900], [0x900, 0xe00], [0xe00, 0x1200], [0x1200, 0x2000], [0x2000, 0x2070], [0x2070, 0x2c00],
  [0x2c00, 0x3000], [0x3000, 0x3100], [0x4e00, 0x9fff], [0xac00, 0xd7a4], [0xa000, 0xd800], [0xe000, 0x10000],
  [0x10000, 0x11000], [0x11000, 0x1d000], [0x1d000, 0x20000], [0x20000, 0x32000], [0xe0000, 0xe0200],
  [0x10000, 0x110000],
];

function character(random) {
  if (random(4) === 0) return AWKWARD[random(AWKWARD.length)];
  const [first, end] = BLOCKS[random(BLOCKS.length)];
  return String.fromCodePoint(first + random(end - first));
}

// ASCII is read 64 bytes at a time: what matters to that comes often, the rest now and then.
const PLAIN = '   \n\n\r\t\'\'\'stmdlvreREx.-(127';

function plainCharacter(random) {
  return random(3) === 0 ? String.fromCodePoint(random(0x80)) : PLAIN[random(PLAIN.length)];
}

// Runs of a few characters chosen once for each text, so that classes meet often.
function inventText(random, words) {
  const choose = random(3) === 0 ? plainCharacter : character;
  const alphabet = Array.from({length: 1 + random(12)}, () => choose(random));
  let text = '';
  for (let left = 1 + random(400); left > 0; left--) {
    const kind = random(16);
    if (kind === 0) text += words[random(words.length)];
    else if (kind === 1) text += choose(random);
    else text += alphabet[random(alphabet.length)].repeat(random(30) === 0 ? 1 + random(60) : 1);
  }
  return text.toWellFormed();
}

function* inventTexts(random, words) {
  for (;;) yield inventText(random, words);
}

// ---- comparing -------------------------------------------------------------------------------------

class Ours {
  constructor(program) {
    this.child = spawn(program, {stdio: ['pipe', 'pipe', 'inherit']});
    this.reader = this.child.stdout[Symbol.asyncIterator]();
    this.left = Buffer.alloc(0);
  }

  async read(bytes) {
    while (this.left.length < bytes) {
      const {value, done} = await this.reader.next();
      if (done) throw new Error('the program ended early');
      this.left = Buffer.concat([this.left, value]);
    }
    const result = this.left.subarray(0, bytes);
    this.left = this.left.subarray(bytes);
    return result;
  }

  // The program answers text by text: nothing is written while its answers wait to be read.
  async encode(texts) {
    const sent = texts.map((text) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(text.length);
      return Buffer.concat([length, text]);
    });
    const writing = new Promise((done) => this.child.stdin.write(Buffer.concat(sent), done));
    const all = [];
    for (let i = 0; i < texts.length; i++) {
      const bytes = await this.read(4 * (await this.read(4)).readUInt32LE());
      all.push(Uint32Array.from({length: bytes.length / 4}, (_, at) => bytes.readUInt32LE(4 * at)));
    }
    await writing;
    return all;
  }
}

class Comparison {
  constructor(encoder, program) {
    this.encoder = encoder;
    this.ours = new Ours(program);
    this.totals = {texts: 0, bytes: 0, tokens: 0, wrong: 0};
    this.waiting = [];
    this.waitingBytes = 0;
  }

  async add(name, text) {
    const bytes = Buffer.from(text);
    this.waiting.push({name, text, bytes});
    this.waitingBytes += bytes.length;
    if (this.waitingBytes >= BATCH_BYTES) await this.flush();
  }

  async flush() {
    const batch = this.waiting;
    this.waiting = [];
    this.waitingBytes = 0;
    const all = await this.ours.encode(batch.map(({bytes}) => bytes));
    batch.forEach(({name, text, bytes}, i) => {
      const theirs = this.encoder.encode_ordinary(text);
      this.totals.texts++;
      this.totals.bytes += bytes.length;
      this.totals.tokens += theirs.length;
      if (theirs.length !== all[i].length || theirs.some((id, at) => id !== all[i][at]))
        this.report(name, bytes, theirs, all[i]);
    });
  }

  report(name, bytes, theirs, ours) {
    if (this.totals.wrong++ >= 20) return;
    const at = theirs.findIndex((id, i) => id !== ours[i]);
    console.log(`  WRONG ${name}: token ${at}: theirs ${theirs.slice(at, at + 6)}, ours ${ours.slice(at, at + 6)}`);
    if (bytes.length < 2000) console.log(`    ${JSON.stringify(bytes.toString())}`);
  }

  async summary(name) {
    await this.flush();
    const {texts, bytes, tokens, wrong} = this.totals;
    console.log(`${name.padEnd(44)} ${texts} texts, ${bytes} bytes, ${tokens} tokens, ${wrong} texts wrong`);
    this.totals = {texts: 0, bytes: 0, tokens: 0, wrong: 0};
    return wrong;
  }
}

// ---- the vectors -----------------------------------------------------------------------------------

function writeVectors(file, encoder, texts) {
  const lines = texts.map((text) => {
    const ids = Array.from(encoder.encode_ordinary(text)).join(' ');
    return `${Buffer.from(text).toString('hex')}\t${ids}\n`;
  });
  fs.writeFileSync(file, lines.join(''));
}

async function main() {
  const options = parseArguments(process.argv.slice(2));
  const {get_encoding: getEncoding} = createRequire(import.meta.url)(options.module);
  const encoder = getEncoding('cl100k_base');
  const comparison = new Comparison(encoder, options.program);
  let wrong = 0;
  const sample = [];
  for (const name of options.paths) {
    for (const file of filesBelow(name)) await comparison.add(file, textOf(file));
    wrong += await comparison.summary(name);
  }
  const random = makeRandom(20261121);
  const words = ['the', ' the', 'Tokenizer', ' \u00dcberm\u00fchle', '\u65e5\u672c\u8a9e', ' \u043c\u0438\u0440', 'fi', ' e\u0301t\u00e9'];
  for (const text of inventTexts(random, words)) {
    if (comparison.totals.tokens >= options.fuzzTokens) break;
    if (sample.length < 200 && text.length < 100) sample.push(text);
    await comparison.add('invented', text);
  }
  wrong += await comparison.summary('invented');
  if (options.vectors) writeVectors(options.vectors, encoder, [...AWKWARD, ...sample]);
  comparison.ours.child.stdin.end();
  process.exit(wrong ? 1 : 0);
}

await main();
