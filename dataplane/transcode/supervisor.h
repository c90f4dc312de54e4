// headgate-transcode: finds the job folders that the bridge makes, keeps a worker running for each, and
// answers control. Decodes nothing itself: what a stranger sent is only ever looked at in a child.
//
// Threading: one thread, and no other may be in the process when it forks. run() returns after a stop signal.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/protocol/endpoint.h"
#include "control/protocol/run_dir.h"
#include "dataplane/transcode/task.h"

namespace headgate::transcode {

class Supervisor {
 public:
  Supervisor(protocol::RunDir run_dir, Environment environment);
  ~Supervisor();
  // `signals`: a signalfd; anything from it ends run(). Exit status.
  int run(int signals);

 private:
  // Another one under the same name is another job.
  struct Identity {
    ino_t folder = 0;
    ino_t spec = 0;
    std::int64_t spec_changed_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Entry {
    Identity identity;
    job::Spec spec;
    std::unique_ptr<Task> task;
  };

  void apply_settings();
  void scan(Clock::time_point now);
  void scan_folder(const std::string& name, Clock::time_point now);
  void watch(const std::string& folder) const;
  std::string strikes_of(const std::string& name) const;
  void turn(Clock::time_point now);
  int poll_timeout(Clock::time_point now) const;
  std::string answer(const std::string& line);
  nlohmann::json status() const;

  protocol::RunDir run_dir_;
  Environment environment_;
  std::map<std::string, Entry> jobs_;
  std::map<std::string, std::string> complaints_;  // by folder; said once
  std::unique_ptr<protocol::Endpoint> endpoint_;
  int inotify_ = -1;
  Clock::time_point scan_at_{};
  Clock::time_point turn_at_{};
  std::uint64_t generation_ = 0;
  std::int64_t started_unix_ns_ = 0;
};

}  // namespace headgate::transcode
