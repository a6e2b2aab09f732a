// PicGo uploads the files that it is given; one line of JSON with what became of each.
// node upload.js <folder for its settings> <address> <token> <file>...
const path = require("node:path");
const { PicGo } = require("picgo");

const [folder, url, token, ...files] = process.argv.slice(2);
const picgo = new PicGo(path.join(folder, "config.json"));
const said = [];
picgo.on("notification", (notice) => said.push(notice));
picgo.use(require("picgo-plugin-web-uploader"), "web-uploader");
picgo.setConfig({
  picBed: {
    current: "web-uploader",
    uploader: "web-uploader",
    "web-uploader": {
      url,
      paramName: "file",
      jsonPath: "data.url",
      customHeader: JSON.stringify({ Authorization: token }),
      customBody: JSON.stringify({ body: "From PicGo" }),
    },
  },
});
picgo.upload(files).then((output) => {
  const images = output instanceof Error ? [] : output;
  const made = images.map((image) => ({ name: image.fileName, url: image.imgUrl }));
  console.log(`\n${JSON.stringify({ made, said, error: String(output) })}`);
  process.exit(0);
});
