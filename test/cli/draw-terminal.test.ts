import assert from "node:assert/strict";
import test from "node:test";
import { drawTerminal } from "./draw-terminal.ts";

const draw = (shown: { at_ms: number; text: string }[]) =>
  drawTerminal(shown, { columns: 40, title: "a <b>", shorten: (line) => line.replace(/secret\w+/, "secret…") });
const described = (svg: string) => /<desc>([\s\S]*)<\/desc>/.exec(svg)?.[1];

test("what is left at the end stays, and what was erased was shown for as long as it was there", async () => {
  const { moving: svg, still } = await draw([
    { at_ms: 0, text: "$ " },
    { at_ms: 100, text: "wait\r\n" },
    { at_ms: 300, text: "\r\u001b[K⠋ Waiting" },
    { at_ms: 700, text: "\r\u001b[K\u001b[1mID  Name\u001b[22m  plain\r\n" },
  ]);
  assert.equal(described(svg), "$ wait\nID  Name  plain");
  assert.equal(described(still), described(svg));
  assert.ok(!/animation|Waiting/.test(still));
  // Typed on to what stood there: nothing is drawn twice.
  assert.match(svg, />\$<\/text>\n<text class="s" [^>]*style="animation-delay:0\.10s">wait<\/text>/);
  assert.match(svg, /<text class="t" [^>]*animation-delay:0\.30s;animation-duration:0\.40s">⠋ Waiting<\/text>/);
  assert.match(svg, /<text class="s b" [^>]*style="animation-delay:0\.70s">ID {2}Name<\/text>/);
  assert.match(svg, /<text class="s" x="[\d.]+" y="66" [^>]*style="animation-delay:0\.70s">plain<\/text>/);
});

test("a long pause is short, a secret is too, and text is not markup", async () => {
  const { moving: svg } = await draw([
    { at_ms: 0, text: "one\r\n" },
    { at_ms: 60_000, text: "secretABC <&>" },
  ]);
  assert.equal(described(svg), "one\nsecret… &lt;&amp;&gt;");
  assert.match(svg, /animation-delay:1\.20s/);
  assert.match(svg, /<title id="title">a &lt;b&gt;<\/title>/);
  assert.ok(!svg.includes("secretABC"));
});
