#include "dataplane/bridge/rtmp/publication.h"

namespace headgate::bridge::rtmp {

Publication::Publication(ingest::Entry& entry) : entry_(entry), reader_(entry.frames()) {}

std::size_t Publication::on_message(const Message& message) {
  const std::size_t units = reader_.on_message(message);
  report();
  return units;
}

void Publication::finish() {
  reader_.finish();
  report();
}

void Publication::report() {
  const ReaderCounters& now = reader_.counters();
  const bool same = now.unreadable == reported_.unreadable && now.unconfigured == reported_.unconfigured &&
                    reader_.encoder() == encoder_ && reader_.left_out().size() == left_out_;
  if (same) return;
  ingest::SourceStatus& status = entry_.status();
  // Names of control/protocol/bridge_drops.h.
  status.drops["unreadable_frame"] += now.unreadable - reported_.unreadable;
  status.drops["unconfigured_frame"] += now.unconfigured - reported_.unconfigured;
  reported_ = now;
  encoder_ = reader_.encoder();
  if (!encoder_.empty()) status.details["encoder"] = encoder_;
  for (; left_out_ < reader_.left_out().size(); ++left_out_)
    status.left_out_by_source.push_back(reader_.left_out()[left_out_]);
}

}  // namespace headgate::bridge::rtmp
