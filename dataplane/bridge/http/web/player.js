// Plays the channel of this page: by hls.js where the browser has Media Source Extensions, else by the browser itself.
(function () {
  'use strict';
  const video = document.getElementById('video');
  const state = document.getElementById('state');
  const facts = document.getElementById('facts');
  const address = document.getElementById('address');
  const copy = document.getElementById('copy');
  const source = new URL('index.m3u8', location.href).href;
  address.href = source;
  address.textContent = source;

  // kind: good, wait, bad.
  const say = (kind, text) => { state.dataset.kind = kind; state.textContent = text; };
  const playing = () => say('good', video.muted ? 'Playing. Sound is off: unmute in the player.' : 'Playing.');
  video.addEventListener('playing', playing);
  video.addEventListener('volumechange', () => { if (!video.paused && state.dataset.kind === 'good') playing(); });
  video.addEventListener('waiting', () => say('wait', 'Waiting for media…'));
  video.addEventListener('pause', () => say('wait', 'Paused.'));

  // The clipboard is there in secure contexts only; elsewhere the link can be copied by hand.
  if (navigator.clipboard) {
    copy.addEventListener('click', () => {
      navigator.clipboard.writeText(source).then(() => { copy.textContent = 'Copied'; }, () => { copy.textContent = 'Not allowed'; });
      setTimeout(() => { copy.textContent = 'Copy'; }, 2000);
    });
  } else {
    copy.hidden = true;
  }

  function playNatively() {
    video.addEventListener('error', () => {
      const undecodable = video.error && video.error.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
      say('bad', undecodable ? 'This browser cannot play the channel, or it has no media yet. Trying again…' : 'Playback failed. Trying again…');
      setTimeout(() => { video.src = source; }, 5000);
    });
    video.src = source;
  }

  function showFacts(hls) {
    setInterval(() => {
      const parts = [];
      if (video.videoWidth) parts.push(video.videoWidth + '×' + video.videoHeight);
      const level = hls.levels && hls.levels[0];
      if (level && level.bitrate) parts.push((level.bitrate / 1e6).toFixed(1) + ' Mb/s');
      if (!video.paused && hls.latency > 0) parts.push(hls.latency.toFixed(0) + ' s behind live');
      facts.textContent = parts.join(' · ');
    }, 1000);
  }

  // Why there is nothing to play, by what the server answered.
  function explain(data) {
    const status = data.response && data.response.code;
    if (status === 404) return ['bad', 'The gateway has no such channel, or it does not serve HLS.'];
    if (status === 503) return ['wait', 'The channel has no media yet: no signal, or it has just begun.'];
    if (!status) return ['bad', 'The gateway does not answer. Trying again…'];
    return ['bad', 'The gateway answered ' + status + '. Trying again…'];
  }

  function playWithHls() {
    const retries = { maxNumRetry: 1000, retryDelayMs: 1000, maxRetryDelayMs: 4000 };
    const policy = { default: { maxTimeToFirstByteMs: 10000, maxLoadTimeMs: 20000, timeoutRetry: retries, errorRetry: retries } };
    // The first address is asked for again by this page, which can then say why; hls.js retries in silence.
    const once = { default: { maxTimeToFirstByteMs: 10000, maxLoadTimeMs: 20000, timeoutRetry: null, errorRetry: null } };
    const hls = new Hls({ manifestLoadPolicy: once, playlistLoadPolicy: policy });
    window.hls = hls;
    let mediaErrors = 0;
    let again = null;
    const play = () => { video.play().catch((error) => { if (error.name !== 'AbortError') say('wait', 'Press play.'); }); };
    hls.on(Hls.Events.MANIFEST_PARSED, play);
    hls.on(Hls.Events.FRAG_BUFFERED, () => { mediaErrors = 0; });
    hls.on(Hls.Events.ERROR, (event, data) => {
      const loading = data.details === Hls.ErrorDetails.MANIFEST_LOAD_ERROR || data.details === Hls.ErrorDetails.LEVEL_LOAD_ERROR;
      if (loading && (video.paused || video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA)) say(...explain(data));
      if (!data.fatal) return;
      if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR || data.details === Hls.ErrorDetails.BUFFER_ADD_CODEC_ERROR ||
          data.details === Hls.ErrorDetails.BUFFER_INCOMPATIBLE_CODECS_ERROR) {
        say('bad', 'This browser does not decode the codecs of this channel. Another player can take the address below.');
        return;
      }
      if (data.type === Hls.ErrorTypes.MEDIA_ERROR && mediaErrors < 5) {
        mediaErrors += 1;
        hls.recoverMediaError();
        play();  // the new buffer leaves the element paused
        return;
      }
      if (!loading) say('bad', 'Playback failed (' + data.details + '). Trying again…');
      clearTimeout(again);
      again = setTimeout(() => { hls.loadSource(source); }, loading ? 1000 : 3000);
    });
    // A playlist ends where the channel's segments got another duration: the channel goes on under its address.
    video.addEventListener('ended', () => {
      say('wait', 'Waiting for media…');
      hls.loadSource(source);
    });
    hls.loadSource(source);
    hls.attachMedia(video);
    showFacts(hls);
  }

  if (window.Hls && Hls.isSupported()) {
    playWithHls();
  } else if (video.canPlayType('application/vnd.apple.mpegurl') !== '') {
    playNatively();
  } else {
    say('bad', 'This browser plays no HLS. A player can take the address below.');
  }
}());
