// What an encoder publishes, or a server sends us, on its way into an input: counts it and keeps the input's
// status up to date. Threading: owned by one thread. Ownership: the entry outlives it; whoever makes one has
// attached the entry and detaches it.
#pragma once

#include <string>

#include "dataplane/bridge/ingest/entry.h"
#include "dataplane/bridge/rtmp/flv_reader.h"

namespace headgate::bridge::rtmp {

class Publication {
 public:
  explicit Publication(ingest::Entry& entry);

  // How many units it was: FlvReader::on_message().
  std::size_t on_message(const Message& message);
  void finish();
  ingest::Entry& entry() const { return entry_; }
  const ReaderCounters& counters() const { return reader_.counters(); }

 private:
  void report();

  ingest::Entry& entry_;
  FlvReader reader_;
  ReaderCounters reported_;
  std::string encoder_;
  std::size_t left_out_ = 0;  // of the reader's, told already
};

}  // namespace headgate::bridge::rtmp
