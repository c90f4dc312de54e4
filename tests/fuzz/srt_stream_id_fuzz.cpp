// links: headgate::bridge
// Stream ids as a caller sends them, through the parser and the decision.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dataplane/bridge/srt/access.h"
#include "dataplane/bridge/srt/stream_id.h"

namespace {

using namespace headgate;
using namespace headgate::bridge;

srt::AccessTable table() {
  srt::AccessTable made;
  made.channels["news"] = "";
  made.channels["sport"] = "of its own, long";
  made.publishers["news"] = {"s3cret", ""};
  made.publishers["open"] = {"", "of its own, long"};
  made.listeners["l"] = {120, "the listener's own"};
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const srt::AccessTable kTable = table();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = srt::parse_stream_id(text);
  if (parsed && (parsed->channel.empty() || parsed->channel.size() > size)) std::abort();
  const srt::Decision decision = srt::decide(kTable, "l", text, 0, 1);
  const bool plays =
      parsed && parsed->mode == srt::Mode::request && kTable.channels.contains(parsed->channel);
  const bool publishes =
      parsed && parsed->mode == srt::Mode::publish &&
      (parsed->channel == "open" || (parsed->channel == "news" && parsed->key == "s3cret"));
  if (decision.accepted != (plays || publishes)) std::abort();
  if (decision.accepted && decision.publishing != publishes) std::abort();
  if (decision.accepted && decision.passphrase.empty()) std::abort();
  return 0;
}
