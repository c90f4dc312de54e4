// Opens pages in Debian's Chromium, all at the same time, and watches every video element in them, frames included.
//   node player.js '[{"url":…,"seconds":…,…},…]'
// Watches each page for `seconds` from its first movement on, so that a browser that starts slowly is no fault; at most START_LIMIT
// seconds more, and GRACE seconds where it does not play just then. Optional: `playing`, a file that is made at the first movement;
// `saying`, {text: file}, a file that is made when the status line says that text; `during`, a script that the page runs three
// seconds after the first movement; `until`, an expression of the page: once it is true the page is done; `told`, an expression of the
// page's end; `screenshot`, a PNG of it.
// Prints one JSON line: {"pages":[{"url":…,"videos":[{"frame":…,"first_movement":…,"advanced":…,"stalled":…,…}],"errors":[…],
// "console":[…],"texts":[…],"told":…}]}; texts are what the page's status line said, in order.
"use strict";
const fs = require("fs");
const os = require("os");
const path = require("path");
const { chromium } = require("playwright-core");

const START_LIMIT = 90;
const GRACE = 15;
const jobs = JSON.parse(process.argv[2]);
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"];

// What the videos of a frame show now.
function look() {
  return Array.from(document.querySelectorAll("video")).map((v) => {
    const quality = v.getVideoPlaybackQuality ? v.getVideoPlaybackQuality() : {};
    return { time: v.currentTime, paused: v.paused, ready: v.readyState, width: v.videoWidth, height: v.videoHeight,
      error: v.error ? v.error.message : null, frames: quality.totalVideoFrames || 0, dropped: quality.droppedVideoFrames || 0,
      hls: Boolean(window.Hls) };
  });
}

async function watch(page, { url, seconds, playing, saying, during, until, told, screenshot }) {
  const errors = [];
  const logged = [];
  const texts = [];
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) logged.push(message.text()); });
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("requestfailed", (request) => {
    // A player gives up requests of its own accord; only what the server broke counts.
    const text = request.failure() ? request.failure().errorText : "";
    if (text !== "net::ERR_ABORTED") errors.push(`${request.url()}: ${text}`);
  });
  page.on("response", (response) => {
    const expected = [200, 204, 206, 304].includes(response.status()) || response.url().endsWith("/favicon.ico");
    if (!expected) errors.push(`${response.url()}: ${response.status()}`);
  });
  await page.goto(url, { waitUntil: "domcontentloaded", timeout: 90000 });
  const videos = new Map();
  const began = Date.now();
  let moved = null;
  const finished = () => {
    const now = (Date.now() - began) / 1000;
    if (now >= seconds + START_LIMIT + GRACE) return true;
    // On a machine that is short of CPU the end may fall into a moment without media: what goes on plays soon.
    const plays = String(texts[texts.length - 1]).startsWith("Playing.");
    return moved !== null && now >= moved + seconds + (plays ? 0 : GRACE);
  };
  while (!finished()) {
    for (const frame of page.frames()) {
      let seen = [];
      try {
        seen = await frame.evaluate(look);
      } catch (error) {
        continue; // the frame is still loading
      }
      seen.forEach((state, index) => {
        const key = `${frame.url()}#${index}`;
        const now = (Date.now() - began) / 1000;
        const old = videos.get(key);
        if (!old) {
          videos.set(key, { frame: key, first: state.time, last: state.time, lastAt: now, advanced: 0, stalled: 0, first_movement: null, state });
          return;
        }
        const step = state.time - old.last;
        if (step > 0) {
          // A seek to the live edge is no playing.
          if (step < now - old.lastAt + 1.25) old.advanced += step;
          if (old.first_movement === null) old.first_movement = now;
          if (moved === null) {
            moved = now;
            if (playing) fs.writeFileSync(playing, String(now));
          }
        } else if (old.first_movement !== null) {
          old.stalled += now - old.lastAt;
        }
        old.last = state.time;
        old.lastAt = now;
        old.state = state;
      });
    }
    if (during && moved !== null && (Date.now() - began) / 1000 >= moved + 3) {
      await page.evaluate(during);
      during = null;
    }
    const text = await page.evaluate(() => { const line = document.getElementById("state"); return line ? line.textContent : ""; });
    if (text !== texts[texts.length - 1]) {
      texts.push(text);
      if (saying && saying[text]) fs.writeFileSync(saying[text], "");
    }
    if (until && !during && await page.evaluate(until)) break;
    await new Promise((done) => setTimeout(done, 250));
  }
  const value = told ? await page.evaluate(told) : null;
  if (screenshot) await page.screenshot({ path: screenshot });
  return { url, errors, console: logged, texts, told: value, title: await page.title(), videos: Array.from(videos.values()) };
}

(async () => {
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), "hg-chromium-"));
  let context;
  try {
    context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args, viewport: { width: 1000, height: 700 } });
    const pages = await Promise.all(jobs.map(async (job) => {
      const page = await context.newPage();
      const seen = await watch(page, job);
      await page.close();
      return seen;
    }));
    console.log(JSON.stringify({ pages }));
  } finally {
    if (context) await context.close();
    fs.rmSync(profile, { recursive: true, force: true });
  }
})().catch((error) => {
  console.error(String(error && error.stack ? error.stack : error));
  process.exit(1);
});
