// The analysis behind `headgate probe`: takes packets, with arrival times where there are any, and gives a
// StreamReport. References: see stream_report.h. Threading: owned by one thread; no clock of its own. Memory:
// bounded by the number of PIDs (8192) and tables; at most 256 PIDs are looked into for sections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "mpegts/monitor/stream_report.h"
#include "mpegts/packet/packet_reader.h"
#include "mpegts/packet/ts_packet.h"

namespace headgate::mpegts {

// Looks into the packets of one elementary stream for its codec's details. The analyzer asks the factory once
// for each stream of a PMT; it may give none.
class CodecProbe {
 public:
  virtual ~CodecProbe() = default;
  virtual void on_packet(const TsPacket& packet) = 0;
  virtual std::optional<CodecDetails> details() const = 0;
};
using CodecProbeFactory = std::function<std::unique_ptr<CodecProbe>(const PmtStream& stream)>;

class StreamAnalyzer {
 public:
  explicit StreamAnalyzer(CodecProbeFactory codecs = {});
  ~StreamAnalyzer();

  // Before the first packet: models the decoder's buffers (T-STD) of what has no arrival times, as those say
  // nothing of a byte.
  void model_decoder();
  // arrival_ns: Unix time, for a live stream; none for a file, whose times then come from its PCR.
  void on_packet(const TsPacket& packet, std::optional<std::int64_t> arrival_ns = std::nullopt);
  // The packets of a datagram, at once: its arrival is judged, too.
  void on_datagram(std::span<const std::uint8_t> packets, std::int64_t arrival_ns);
  // What the reader of a file found about sync, for the report. (A live datagram's packet without sync byte
  // goes to on_packet, which counts it as a sync_byte_error.)
  void set_sync(const PacketReader::Counters& counters, std::size_t packet_size);

  StreamReport report() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headgate::mpegts
