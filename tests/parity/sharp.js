// The peer: sharp, driven by one JSON case per line, answering one JSON line each.
// It is asked for what Calotype decided where sharp leaves a choice: always upright, JPEG on a ground.
"use strict";

const fs = require("node:fs/promises");
const readline = require("node:readline");
const sharp = require("sharp");

sharp.cache(false);

function placed(asked) {
  let picture = sharp(asked.input, { autoOrient: true, animated: asked.animated });
  if (asked.background) picture = picture.flatten({ background: asked.background });
  const { padding, ...resize } = asked.resize;
  picture = picture.resize(resize);
  if (!padding) return picture;
  const { px = 0, py = 0 } = padding;
  const background = resize.background ?? "black";
  return picture.extend({ top: py, bottom: py, left: px, right: px, background });
}

// A clear letterbox gives a JPEG alpha again after it was flattened: flatten what came out.
async function grounded(asked) {
  const raw = await placed(asked).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = raw.info;
  return sharp(raw.data, { raw: { width, height, channels } }).flatten({
    background: asked.background,
  });
}

async function print(asked) {
  const picture = asked.clear ? await grounded(asked) : placed(asked);
  const { data, info } = await picture
    .toFormat(asked.format, asked.options)
    .toBuffer({ resolveWithObject: true });
  await fs.writeFile(asked.output, data);
  return { width: info.width, height: info.pageHeight ?? info.height };
}

async function answer(line) {
  const asked = JSON.parse(line);
  const said = await print(asked).catch((error) => ({ error: String(error.message) }));
  process.stdout.write(JSON.stringify({ id: asked.id, ...said }) + "\n");
}

// Four at a time, as many as libuv has threads; more would only hold memory.
const waiting = [];
let running = 0;

function next() {
  while (running < 4 && waiting.length) {
    running += 1;
    answer(waiting.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  waiting.push(line);
  next();
});
