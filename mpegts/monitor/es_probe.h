// Codec details of a stream for the StreamAnalyzer, from the elementary stream's own headers (mpegts/es).
// Threading: what the factory gives is owned by the analyzer's thread.
#pragma once

#include "mpegts/monitor/stream_analyzer.h"

namespace headgate::mpegts {

// Gives a probe for the video and audio kinds that mpegts/es parses. A probe stops looking once it knows.
CodecProbeFactory es_codec_probes();

}  // namespace headgate::mpegts
