// Sharp as a web service uses it: every output of an order from the input, all at once.
// One order per line in, one word per line out.
"use strict";

const path = require("node:path");
const readline = require("node:readline");
const { createRequire } = require("node:module");
const sharp = createRequire(path.join(__dirname, "../tests/parity/package.json"))("sharp");

function make(input, { width, format, options, file }) {
  return sharp(input).autoOrient().resize({ width }).toFormat(format, options).toFile(file);
}

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { input, outputs } = JSON.parse(line);
  await Promise.all(outputs.map((output) => make(input, output)));
  process.stdout.write("done\n");
});
