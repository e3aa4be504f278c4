import { Late } from "../../ui/late.tsx";

/** The chart library is larger than all the rest of a page. */
export const chart = new Late(async () => await import("./UsageChart.tsx"));
