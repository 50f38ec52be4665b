// What this browser may do: the scopes of the token that it logged in with.

import { request } from "./api.js";

const EVERYTHING = { token: null, scopes: ["admin"], session: null };
let access = EVERYTHING;

/** Find out what this browser may do. */
export async function loadAccess() {
  access = await request("/api/me");
}

/** Return whether the token allows what a scope stands for, such as "admin". */
export function may(scope) {
  return access.scopes.includes(scope) || access.scopes.includes("admin");
}

/** Return the name of the token, null if none is needed. */
export function tokenName() {
  return access.token;
}
