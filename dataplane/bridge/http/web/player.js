// Plays the channel of this page: by hls.js where the browser has Media Source Extensions, else by the browser itself.
(function () {
  'use strict';
  const video = document.getElementById('video');
  const state = document.getElementById('state');
  const address = document.getElementById('address');
  const source = new URL('index.m3u8', location.href).href;
  address.href = source;
  address.textContent = source;

  const say = (text) => { state.textContent = text; };
  video.addEventListener('playing', () => say(video.muted ? 'Playing. Sound is off: unmute in the player.' : 'Playing.'));
  video.addEventListener('volumechange', () => { if (!video.paused && !video.muted) say('Playing.'); });
  video.addEventListener('waiting', () => say('Waiting for media…'));
  video.addEventListener('pause', () => say('Paused.'));

  function playNatively() {
    video.src = source;
    video.addEventListener('error', () => say('This browser cannot play the channel.'));
  }

  function playWithHls() {
    const retries = { maxNumRetry: 1000, retryDelayMs: 1000, maxRetryDelayMs: 4000 };
    const policy = { default: { maxTimeToFirstByteMs: 10000, maxLoadTimeMs: 20000, timeoutRetry: retries, errorRetry: retries } };
    const hls = new Hls({ manifestLoadPolicy: policy, playlistLoadPolicy: policy });
    window.hls = hls;
    let mediaErrors = 0;
    hls.on(Hls.Events.MANIFEST_PARSED, () => { video.play().catch(() => say('Press play.')); });
    hls.on(Hls.Events.ERROR, (event, data) => {
      if (data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR) say('The channel has no media yet…');
      if (!data.fatal) return;
      if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
        say('This browser does not decode the codecs of this channel. Another player can take the address below.');
        return;
      }
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && mediaErrors < 5) {
        mediaErrors += 1;
        hls.recoverMediaError();
        return;
      }
      say('Playback failed (' + data.details + '). Trying again…');
      setTimeout(() => { hls.loadSource(source); }, 3000);
    });
    hls.loadSource(source);
    hls.attachMedia(video);
  }

  if (window.Hls && Hls.isSupported()) {
    playWithHls();
  } else if (video.canPlayType('application/vnd.apple.mpegurl') !== '') {
    playNatively();
  } else {
    say('This browser plays no HLS.');
  }
}());
