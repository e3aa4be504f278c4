import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { VERSION } from "../version.ts";
import { contractWithoutSchemas } from "./contract-plugin.ts";
import { CONTRACT_TYPES, operationTypes, withoutSchemas } from "./contract-types.ts";

/**
 * Builds the package that is published: plain JavaScript for Node 20 and later, edge runtimes and browsers,
 * with types, without a dependency. `sdk/dist` is that package, ready for `npm pack`.
 */
const SDK = join(import.meta.dirname, "..");
const ROOT = join(SDK, "..");

export async function buildSdk(out: string = join(SDK, "dist")): Promise<string> {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  await build({
    entryPoints: [join(SDK, "client.ts"), join(SDK, "operations.ts")],
    outdir: out,
    bundle: true,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    plugins: [contractWithoutSchemas(withoutSchemas)],
    legalComments: "none",
    logLevel: "error",
  });
  await writeTypes(out);
  await writeFile(join(out, "package.json"), `${JSON.stringify(manifest(), null, 2)}\n`);
  await copyFile(join(SDK, "README.md"), join(out, "README.md"));
  await copyFile(join(ROOT, "LICENSE"), join(out, "LICENSE")).catch(() => {});
  return out;
}

function manifest(): object {
  const entry = (name: string) => ({ types: `./${name}.d.ts`, default: `./${name}.js` });
  return {
    name: "@latchkey/sdk",
    version: VERSION,
    description: "Typed client of the Latchkey API",
    license: "Apache-2.0",
    type: "module",
    engines: { node: ">=20" },
    sideEffects: false,
    exports: { ".": entry("client"), "./operations": entry("operations") },
    types: "./client.d.ts",
  };
}

/** The compiler writes the client's declarations; those of the contract are made from its schemas. */
async function writeTypes(out: string): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), "latchkey-sdk-types-"));
  try {
    const config = {
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        outDir: join(scratch, "out"),
        rootDir: ROOT,
        typeRoots: [join(ROOT, "node_modules/@types")],
      },
      include: [],
      files: [join(SDK, "client.ts")],
    };
    await writeFile(join(scratch, "tsconfig.json"), JSON.stringify(config));
    const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
    await promisify(execFile)(process.execPath, [compiler, "-p", scratch]);
    const emitted = join(scratch, "out/sdk");
    for (const file of await readdir(emitted)) {
      const source = await readFile(join(emitted, file), "utf8");
      await writeFile(join(out, file), withPublishedImports(source));
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  await writeFile(join(out, "contract.d.ts"), CONTRACT_TYPES);
  await writeFile(join(out, "operations.d.ts"), operationTypes());
}

function withPublishedImports(source: string): string {
  return source
    .replaceAll("@latchkey/contract/route.ts", "./contract.js")
    .replaceAll(/(from "\.\/[a-z-]+)\.ts"/g, '$1.js"');
}

if (import.meta.main) process.stdout.write(`${await buildSdk()}\n`);
