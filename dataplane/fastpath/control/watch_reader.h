// Reads what the bridge saw and heard of inputs (control/protocol/watch_page.h) and leaves it where the
// worker looks: InputRuntime::verdict. A verdict that is not renewed ages: the bridge is gone, or sees
// nothing. Threading: main thread; the worker reads the atomics.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "control/protocol/watch_page.h"
#include "dataplane/fastpath/worker/runtime.h"

namespace headgate::fastpath {

class WatchReader {
 public:
  static constexpr std::int64_t kFreshNs = 10'000'000'000;

  explicit WatchReader(std::string path) : path_(std::move(path)) {}
  ~WatchReader() { close(); }
  WatchReader(const WatchReader&) = delete;
  WatchReader& operator=(const WatchReader&) = delete;

  // Of the inputs of channels whose failover asks for it. The page need not be there.
  void look(const Snapshot& snapshot, std::int64_t unix_ns);

 private:
  bool open();
  void close();
  const protocol::WatchEntry* find(std::uint32_t handle, std::uint32_t input) const;

  std::string path_;
  std::optional<protocol::WatchMapping> page_;
  std::string error_;  // as told last
};

}  // namespace headgate::fastpath
