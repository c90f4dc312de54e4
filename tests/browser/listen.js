// Runs in a player page: hears what its video plays, and does what the test asks for, one step after the other.
//   listen([{ track: 0, hz: 440 }, …, { level: 0, by: "nextLevel" }, …, { seconds: 10 }, …])
// A sound is switched to, until it was heard for a second at its frequency. A level is switched to, until two seconds of its pictures
// were shown, with sound. Or so many seconds pass. window.heard says what came of it; heard.done, that all was done. heard.stood and
// heard.silent are the longest times that the pictures stood and nothing was heard, s, while levels changed or seconds passed; those in
// which this page itself had no turn are no fault of what it plays.
"use strict";
window.listen = (steps) => {
  const video = document.getElementById("video");
  const { hls, Hls } = window;
  const heard = { done: false, step: null, steps: [], fatal: [], errors: [], tracks: [], levels: [], silent: 0, stood: 0 };
  window.heard = heard;
  video.muted = false;
  video.volume = 1;
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 16384;
  analyser.smoothingTimeConstant = 0;
  context.createMediaElementSource(video).connect(analyser);
  analyser.connect(context.destination);
  const wave = new Float32Array(2048);
  const spectrum = new Float32Array(analyser.frequencyBinCount);
  hls.on(Hls.Events.ERROR, (event, data) => (data.fatal ? heard.fatal : heard.errors).push(data.details));
  let shownLevel = hls.currentLevel;
  hls.on(Hls.Events.LEVEL_SWITCHED, (event, data) => { shownLevel = data.level; });

  const listenNow = () => {
    analyser.getFloatTimeDomainData(wave);
    const rms = Math.sqrt(wave.reduce((sum, x) => sum + x * x, 0) / wave.length);
    analyser.getFloatFrequencyData(spectrum);
    let peak = 0;
    for (let i = 1; i < spectrum.length; i += 1) if (spectrum[i] > spectrum[peak]) peak = i;
    return { rms, hz: (peak * context.sampleRate) / analyser.fftSize };
  };
  let index = -1;
  let good = 0; // seconds for which the step was as it must be
  let stands = 0;
  let silent = 0;
  let last = null;
  const next = () => {
    index += 1;
    good = 0;
    if (index === steps.length) {
      heard.done = true;
      clearInterval(timer);
      return;
    }
    const step = steps[index];
    heard.step = step;
    if (step.track !== undefined && hls.audioTrack !== step.track) hls.audioTrack = step.track;
    if (step.level !== undefined) hls[step.by] = step.level;
  };
  const look = () => {
    const step = steps[index];
    const { rms, hz } = listenNow();
    const now = { at: performance.now() / 1000, time: video.currentTime, rms, hz, height: video.videoHeight, level: shownLevel,
      track: hls.audioTrack, context: context.state };
    heard.now = now;
    heard.tracks = hls.audioTracks.map((track) => ({ name: track.name, lang: track.lang, group: track.groupId, codec: track.audioCodec }));
    heard.levels = hls.levels.map((level) => ({ width: level.width, height: level.height, bitrate: level.bitrate }));
    const passed = last ? Math.min(now.at - last.at, 0.25) : 0;
    const moved = !last || now.time > last.time;
    let right = moved && rms > 0.01;
    if (step.track === undefined) {
      stands = moved ? 0 : stands + passed;
      silent = rms > 0.01 ? 0 : silent + passed;
      heard.stood = Math.max(heard.stood, stands);
      heard.silent = Math.max(heard.silent, silent);
      right = step.seconds !== undefined || (right && shownLevel === step.level && now.height === hls.levels[step.level].height);
    } else {
      right = right && Math.abs(hz - step.hz) < 10;
    }
    last = now;
    good = right ? good + passed : 0;
    if (good >= (step.seconds || (step.level !== undefined ? 2 : 1))) {
      heard.steps.push(now);
      next();
    }
  };
  const timer = setInterval(look, 100);
  context.resume();
  next();
};
