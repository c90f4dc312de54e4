// Bytes to paced packets: finds the transport packets in what comes, and says in plain words when there are
// none. Reference: ISO/IEC 13818-1:2022 2.4.3.2. Threading: owned by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dataplane/bridge/pull/paced_queue.h"
#include "mpegts/packet/packet_reader.h"

namespace headgate::bridge::pull {

class TsInput {
 public:
  static constexpr std::size_t kMaxSearch = 64 * 1024;

  // "" or why this is no transport stream that can be taken: final.
  std::string push(std::span<const std::uint8_t> bytes, PacedQueue& to);
  // The stream ends here.
  std::string finish(PacedQueue& to);

  std::uint64_t packets() const { return reader_.counters().packets; }
  // Bytes that belong to no packet.
  std::uint64_t garbage() const { return reader_.counters().skipped_bytes; }

 private:
  std::string drain(PacedQueue& to);
  std::string nothing_found() const;

  mpegts::PacketReader reader_;
  std::vector<std::uint8_t> first_;  // bytes, to tell what it is instead
  std::size_t searched_ = 0;
};

// "a web page", "" where nothing is known.
std::string describe_content(std::span<const std::uint8_t> first);

}  // namespace headgate::bridge::pull
