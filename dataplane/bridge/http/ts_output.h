// TS over HTTP: the sessions of one channel. A session sends PAT and PMT, everything since the last random
// access point, then what comes. One whose player does not keep up loses what it has not sent, up to the next
// random access point, when more than kMaxWait of time or kMaxQueue bytes wait, each beyond what it began
// with; the others never notice. Packets lost so, and at a restart of the fast path, show in the stream by
// their continuity counters (ISO/IEC 13818-1:2022 2.4.3.3). Threading: owned by the thread that runs the
// io_context. Memory: chunks are shared by all sessions; a session holds pointers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/http/message.h"
#include "dataplane/bridge/hub/output_stats.h"
#include "dataplane/bridge/hub/ts_feed.h"

namespace headgate::bridge::http {

class TsOutput : public hub::TsSink {
 public:
  static constexpr std::size_t kMaxQueue = 8 * 1024 * 1024;
  static constexpr std::int64_t kMaxWait = 4'000'000'000;       // ns, by arrival
  static constexpr std::int64_t kMaxFirstWait = 5'000'000'000;  // for the first random access point

  // The feed outlives the output or ends it.
  TsOutput(hub::TsFeed& feed, std::string channel, std::shared_ptr<hub::OutputStats> stats);
  ~TsOutput() override;

  std::shared_ptr<BodyStream> open();
  // All sessions end.
  void end();

  void on_chunk(const std::shared_ptr<const hub::TsChunk>& chunk) override;
  void on_end() override;

 private:
  class Session;
  void leave(Session* session);

  hub::TsFeed* feed_;
  const std::string channel_;
  std::vector<Session*> sessions_;
  std::shared_ptr<hub::OutputStats> stats_;
};

}  // namespace headgate::bridge::http
