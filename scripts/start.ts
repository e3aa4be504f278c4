/**
 * `npm start`: builds the Console when what it is made from has changed, then becomes the server. What takes
 * an option (`--help`, `--print-config`) only tells something and needs no Console.
 */
if (process.argv.length === 2) {
  const { buildConsole } = await import("../console/build.ts");
  if (await buildConsole()) process.stderr.write("latchkey: the Console was built\n");
}
await import("../server/main.ts");
