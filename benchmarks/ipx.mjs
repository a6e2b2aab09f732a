// ipx as its documentation starts it, in two processes: node ipx.mjs MODULES FOLDER PORT
// ipx has no word for an encoder's effort: EFFORT_WEBP and EFFORT_AVIF set sharp's.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, folder, port] = process.argv.slice(2);

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  process.on("SIGTERM", () => process.exit());
} else {
  const found = createRequire(path.join(modules, "index.js")).resolve("ipx");
  const sharp = createRequire(found)("sharp");
  const toFormat = sharp.prototype.toFormat;
  sharp.prototype.toFormat = function (format, options) {
    const effort = process.env[`EFFORT_${String(format).toUpperCase()}`];
    const more = effort ? { effort: Number(effort) } : {};
    if (format === "avif") more.chromaSubsampling = "4:2:0"; // as ours; sharp's own is 4:4:4
    return toFormat.call(this, format, { ...options, ...more });
  };
  const { createIPX, createIPXNodeServer, ipxFSStorage } = await import(pathToFileURL(found));
  const ipx = createIPX({ storage: ipxFSStorage({ dir: folder }) });
  createServer(createIPXNodeServer(ipx)).listen(Number(port), "127.0.0.1");
}
