#include "dataplane/bridge/hls/segment_psi.h"

#include "mpegts/psi/section.h"

namespace headgate::bridge::hls {
namespace {

void append_section(std::vector<std::uint8_t>& out, mpegts::Pid pid, const std::vector<std::uint8_t>& section,
                    std::int64_t k) {
  // n packets a segment: segment k begins with counter k * n.
  const auto count = static_cast<std::int64_t>((section.size() + 1 + 183) / 184);
  const auto counter = static_cast<std::uint8_t>((k * count) & 0x0F);
  const std::vector<std::uint8_t> packets = mpegts::pack_section(pid, section, counter);
  out.insert(out.end(), packets.begin(), packets.end());
}

}  // namespace

std::vector<std::uint8_t> make_psi(const hub::Configuration& configuration, std::int64_t k) {
  mpegts::Pat pat;
  pat.transport_stream_id = configuration.transport_stream_id;
  pat.entries.push_back({configuration.pmt.program_number, configuration.pmt_pid});
  std::vector<std::uint8_t> out;
  append_section(out, mpegts::kPatPid, pat.to_section(), k);
  append_section(out, configuration.pmt_pid, configuration.pmt.to_section(), k);
  return out;
}

}  // namespace headgate::bridge::hls
