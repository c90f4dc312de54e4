#include "dataplane/bridge/rtmp/publication.h"

#include <algorithm>

namespace headgate::bridge::rtmp {

Publication::Publication(ingest::Entry& entry) : entry_(entry), reader_(entry.frames()) {
  entry_.status().details.erase("encoder");
  entry_.status().left_out.clear();
}

void Publication::on_message(const Message& message) {
  reader_.on_message(message);
  report();
}

void Publication::finish() {
  reader_.finish();
  report();
}

void Publication::report() {
  ingest::SourceStatus& status = entry_.status();
  const ReaderCounters& now = reader_.counters();
  const auto count = [&](const char* reason, std::uint64_t ReaderCounters::*member) {
    if (now.*member == reported_.*member) return;
    status.drops[reason] += now.*member - reported_.*member;
  };
  // Names of control/protocol/bridge_drops.h.
  count("unreadable_frame", &ReaderCounters::unreadable);
  count("unconfigured_frame", &ReaderCounters::unconfigured);
  reported_ = now;
  if (!reader_.encoder().empty()) status.details["encoder"] = reader_.encoder();
  for (; left_out_ < reader_.left_out().size(); ++left_out_)
    status.left_out.push_back(reader_.left_out()[left_out_]);
}

}  // namespace headgate::bridge::rtmp
