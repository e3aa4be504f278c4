import { chmod, copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { contractWithoutSchemas } from "../sdk/build/contract-plugin.ts";
import { withoutSchemas } from "../sdk/build/contract-types.ts";
import { VERSION } from "./version.ts";

/**
 * Builds the package that is published: one file of plain JavaScript for Node 20 and later. CommonJS, since
 * Node starts one such file faster than a module, and one file faster than many. The keychain's binding is
 * the only dependency: it is native, and the command works without it.
 */
const CLI = import.meta.dirname;

export async function buildCli(out: string = join(CLI, "dist")): Promise<string> {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const file = join(out, "latchkey.cjs");
  await build({
    entryPoints: [join(CLI, "main.ts")],
    outfile: file,
    bundle: true,
    format: "cjs",
    target: "node20",
    platform: "node",
    external: ["@napi-rs/keyring"],
    banner: { js: "#!/usr/bin/env node" },
    plugins: [contractWithoutSchemas(withoutSchemas)],
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "error",
  });
  await chmod(file, 0o755);
  const { dependencies } = JSON.parse(await readFile(join(CLI, "package.json"), "utf8"));
  const manifest = {
    name: "latchkey-cli",
    version: VERSION,
    description: "The latchkey command",
    license: "Apache-2.0",
    engines: { node: ">=20" },
    bin: { latchkey: "latchkey.cjs" },
    optionalDependencies: { "@napi-rs/keyring": dependencies["@napi-rs/keyring"] },
  };
  await writeFile(join(out, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await copyFile(join(CLI, "README.md"), join(out, "README.md"));
  await copyFile(join(CLI, "../LICENSE"), join(out, "LICENSE")).catch(() => {});
  return file;
}

if (import.meta.main) process.stdout.write(`${await buildCli()}\n`);
