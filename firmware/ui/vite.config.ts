// Builds the page into dist/: names carry a hash of what is in them, and beside each file lie the same bytes
// packed by gzip and brotli, so that the daemon packs nothing while it serves. Nothing is fetched from elsewhere.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** What all of the page may weigh, gzipped: it loads from a Pi over Wi-Fi. */
const GZIPPED_BYTES_MAX = 150_000;

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

/** Packs every file, says what the page weighs, and stops the build where that is too much. */
function pack(): Plugin {
  let folder = "dist";
  return {
    name: "pulsebox-pack",
    apply: "build",
    configResolved: (config) => {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle: () => {
      let total = 0;
      for (const path of files(folder).filter((path) => !/\.(gz|br)$/.test(path))) {
        const plain = readFileSync(path);
        const gzipped = gzipSync(plain, { level: 9 });
        total += gzipped.length;
        writeFileSync(`${path}.gz`, gzipped);
        const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
        writeFileSync(`${path}.br`, brotliCompressSync(plain, { params }));
      }
      const said = `the whole page is ${(total / 1000).toFixed(1)} kB gzipped, of ${GZIPPED_BYTES_MAX / 1000} kB`;
      if (total > GZIPPED_BYTES_MAX) throw new Error(`${said}: take something out`);
      console.log(said);
    },
  };
}

export default defineConfig({
  base: "./",
  plugins: [pack()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
