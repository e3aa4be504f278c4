import { randomInt, randomUUID } from "node:crypto";

/**
 * Ids: one maker and one pattern for each kind. Neon's forms, since its clients look at them: the CLI takes
 * a branch id that is not exactly `br-x-y-z` for a branch *name*, and finds the endpoint id inside its host.
 */
const ADJECTIVES =
  "amber ancient autumn billowing bitter black blue bold broad broken calm cold cool crimson damp dark dawn delicate dry empty falling fancy flat fragrant frosty gentle green hidden holy icy jolly late lingering little lively long lucky misty morning muddy mute nameless noisy odd old orange patient plain polished proud purple quiet rapid raspy red restless rough round royal shiny shrill shy silent small snowy soft solitary spring square steep still summer super sweet throbbing tight tiny twilight wandering weathered white wild winter wispy withered yellow young".split(
    " ",
  );
const NOUNS =
  "band bar base bird block boat bonus bread breeze brook bush butterfly cake cell cherry cloud credit darkness dawn dew disk dream dust feather field fire firefly flower fog forest frog frost glade glitter grass hall hat haze heart hill king lab lake leaf limit math meadow mode moon morning mountain mouse mud night paper pine poetry pond queen rain recipe resonance rice river salad scene sea shadow shape silence sky smoke snow snowflake sound star sun sunset surf term thunder tooth tree truth union unit violet voice water waterfall wave wildflower wind wood".split(
    " ",
  );
const BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz";

const pick = (words: string[]): string => words[randomInt(words.length)] ?? "plain";

function tail(length: number, alphabet: string): string {
  let out = "";
  for (let i = 0; i < length; i++) out += alphabet[randomInt(alphabet.length)];
  return out;
}

const words = () => `${pick(ADJECTIVES)}-${pick(NOUNS)}`;

export const newOrganizationId = () => `org-${words()}-${tail(8, "0123456789")}`;
export const newProjectId = () => `${words()}-${tail(8, "0123456789")}`;
export const newBranchId = () => `br-${words()}-${tail(8, BASE36)}`;
export const newEndpointId = () => `ep-${words()}-${tail(8, BASE36)}`;
export const newUuid = () => randomUUID();

export const ID_PATTERNS = {
  organization: /^org-[a-z]+-[a-z]+-[0-9]{8}$/,
  project: /^[a-z]+-[a-z]+-[0-9]{8}$/,
  branch: /^br-[a-z0-9]+-[a-z0-9]+-[a-z0-9]+$/,
  endpoint: /^ep-[a-z0-9]+-[a-z0-9]+-[a-z0-9]+$/,
} as const;
