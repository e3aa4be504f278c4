// Loaded into a server by NODE_OPTIONS=--import: the machine's wall clock, set an hour on by SIGUSR2 and an
// hour back by SIGWINCH. The monotonic clock is left alone, as an operating system leaves it.
const RealDate = Date;
let shift_ms = 0;
const HOUR_MS = 3_600_000;

process.on("SIGUSR2", () => {
  shift_ms += HOUR_MS;
});
process.on("SIGWINCH", () => {
  shift_ms -= HOUR_MS;
});

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shift_ms);
    else super(...args);
  }

  static now() {
    return RealDate.now() + shift_ms;
  }
};
