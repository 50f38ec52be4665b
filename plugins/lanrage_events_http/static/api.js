// Requests to the API that this page comes from.

/** An error of the API, or no answer at all (status 0). */
export class Problem extends Error {
  constructor(status, detail, errors = [], body = {}) {
    super(detail);
    this.name = "Problem";
    this.status = status;
    this.detail = detail;
    /** @type {{path: string, message: string}[]} */
    this.errors = errors;
    /** the whole answer */
    this.body = body;
  }
}

const NO_ANSWER = "lanrage-events does not answer. Is it still running?";
const watchers = new Set();
let answers = true;

/** Call a function with true or false when the API starts or stops answering. */
export function watchConnection(watcher) {
  watchers.add(watcher);
}

/**
 * Send a request to the API and return the parsed JSON of its answer, null if there is none.
 *
 * @param {string} path from the root, such as "/api/plugins"
 * @throws {Problem} if the answer is an error, or there is none
 */
export async function request(path, { method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json" };
  const options = { method, headers, signal, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }

  let response;
  let text;
  try {
    response = await fetch(path, options);
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }

    setAnswers(false);
    throw new Problem(0, NO_ANSWER);
  }

  setAnswers(true);
  const answer = parse(text);
  if (response.ok) {
    return answer;
  }

  if (response.status === 401 && path !== "/login") {
    const wanted = location.pathname === "/" ? "" : `?to=${encodeURIComponent(location.pathname + location.search)}`;
    location.assign(`/login${wanted}${location.hash}`);
  }

  const detail = answer?.detail ?? answer?.title ?? `The server answered with status ${response.status}.`;
  throw new Problem(response.status, detail, answer?.errors ?? [], answer ?? {});
}

/** Call a function at once and then repeatedly, while the page is visible; return what stops it. */
export function every(milliseconds, call) {
  let timer = null;
  let stopped = false;
  let running = false;

  async function run() {
    clearTimeout(timer);
    if (stopped || running || document.hidden) {
      return;
    }

    running = true;
    try {
      await call();
    } catch (error) {
      // The banner shows that nothing answers.
      if (!(error instanceof Problem)) {
        console.error(error);
      }
    } finally {
      running = false;
    }

    if (!stopped) {
      timer = setTimeout(run, milliseconds);
    }
  }

  document.addEventListener("visibilitychange", run);
  run();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", run);
  };
}

function parse(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function setAnswers(now) {
  if (answers !== now) {
    answers = now;
    watchers.forEach((watcher) => watcher(now));
  }
}
