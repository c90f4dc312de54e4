// links: headgate::protocol headgate::bridge
// Texts that one process reads from another. First byte: 0 a request line, 1 the fast path's state, 2 the
// bridge's, 3 a journal. What is taken must be written so that it reads the same again, and a playlist can be
// made of any journal.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "control/protocol/message.h"
#include "control/protocol/state.h"
#include "dataplane/bridge/hls/journal.h"
#include "dataplane/bridge/hls/playlist.h"

namespace {

using namespace headgate;

void request(const std::string& text) {
  const auto parsed = protocol::parse_request(text);
  if (!parsed) return;
  const std::string line = protocol::format_request(*parsed);
  if (line.find('\n') != std::string::npos || !protocol::parse_request(line)) std::abort();
}

template <class State>
void state(const std::string& text, tl::expected<State, std::string> (*parse)(const std::string&)) {
  const auto parsed = parse(text);
  if (!parsed) return;
  const auto again = parse(protocol::to_json(*parsed));
  if (!again || !(*again == *parsed)) std::abort();
}

void journal(const std::string& text) {
  const auto parsed = bridge::hls::parse_journal(text);
  if (!parsed) return;
  const auto again = bridge::hls::parse_journal(bridge::hls::to_json(*parsed));
  if (!again || again->entries != parsed->entries) std::abort();
  const std::string list = bridge::hls::media_playlist(parsed->entries, parsed->segment_ms,
                                                       parsed->discontinuity_sequence, parsed->pdt_offset_s);
  // Head and at most five lines an entry: nothing in the journal adds lines of its own.
  const auto lines = static_cast<std::size_t>(std::count(list.begin(), list.end(), '\n'));
  if (lines > 6 + 5 * parsed->entries.size()) std::abort();
  const std::string master = bridge::hls::multivariant_playlist(
      parsed->variant, bridge::hls::media_playlist_name(parsed->segment_ms, parsed->series));
  if (std::count(master.begin(), master.end(), '\n') != 4) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] & 3) {
    case 0:
      request(text);
      break;
    case 1:
      state<protocol::FastpathState>(text, protocol::parse_fastpath_state);
      break;
    case 2:
      state<protocol::BridgeState>(text, protocol::parse_bridge_state);
      break;
    default:
      journal(text);
      break;
  }
  return 0;
}
