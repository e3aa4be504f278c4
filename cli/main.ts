import { VERSION } from "./version.ts";

/** The `latchkey` command. What every run pays for is kept to this file; the rest is loaded when it is needed. */
async function main(words: readonly string[]): Promise<number> {
  if (words.length === 1 && (words[0] === "--version" || words[0] === "-v")) {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  if (words[0] === "__complete") {
    const { complete } = await import("./completion/complete.ts");
    process.stdout.write(await complete(words.slice(1)));
    return 0;
  }
  const interrupt = new AbortController();
  process.once("SIGINT", () => {
    process.exitCode = 130;
    interrupt.abort(new DOMException("interrupted", "AbortError"));
    // Whatever does not listen to the signal must not keep a person waiting.
    setTimeout(() => process.exit(130), 200).unref();
  });
  // `latchkey … | head` ends early, which is not an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

  const { createParser, ParseError } = await import("./parser.ts");
  try {
    const parser = await createParser(words, interrupt.signal);
    if (words.length === 0) {
      parser.outputHelp();
      return 0;
    }
    await parser.parseAsync([...words], { from: "user" });
    return 0;
  } catch (error) {
    const { describeFailure, EXIT, renderFailure } = await import("./exit.ts");
    if (error instanceof ParseError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const failure = describeFailure(error);
    process.stderr.write(renderFailure(failure));
    return EXIT[failure.kind];
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    // A command that has printed its result may have said by itself how it went.
    if (code !== 0) process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`latchkey: ${error instanceof Error ? error.stack : error}\n`);
    process.exitCode = 1;
  },
);
