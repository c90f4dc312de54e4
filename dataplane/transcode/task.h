// What the supervisor does for one job folder: a worker kept alive (job.h), or a process a picture
// (pictures.h). Threading: of the supervisor's one thread.
#pragma once

#include <poll.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/job/spec.h"
#include "dataplane/transcode/child.h"
#include "dataplane/transcode/limits.h"
#include "dataplane/transcode/strikes_file.h"
#include "dataplane/transcode/worker.h"

namespace headgate::transcode {

using Clock = std::chrono::steady_clock;

// What runs in the children. Tests have their own.
struct Workers {
  using Make = std::unique_ptr<Worker> (*)(Output& output);
  using Look = std::size_t (*)(const job::PictureRequest& request, std::span<const std::uint8_t> access_units,
                               std::span<std::uint8_t> out);
  Make sound = nullptr;
  Make ladder = nullptr;
  Look look = nullptr;
};

// What all tasks use; outlives them.
struct Environment {
  Rules rules;
  Workers workers;
  SyscallFilter filter;
};

enum class TaskState { running, backing_off, quarantined };
const char* to_string(TaskState state) noexcept;

// Since the task began; the task begins anew with its folder.
struct TaskStatus {
  TaskState state = TaskState::backing_off;
  pid_t pid = 0;  // 0: none now, or many
  double cpu_seconds = 0;
  double cpu_ratio = 0;    // of one core, over the last window
  std::size_t memory = 0;  // bytes, private
  std::uint64_t restarts = 0;
  std::array<std::uint64_t, kDeaths> deaths{};
  std::string last_error;
  // Pictures only, by job::PictureVerdict.
  std::array<std::uint64_t, 5> verdicts{};
};

class Task {
 public:
  virtual ~Task() = default;
  // About every watch_interval, at deadline(), and when one of its descriptors is readable.
  virtual void on_turn(Clock::time_point now) = 0;
  virtual Clock::time_point deadline() const = 0;
  virtual void add_descriptors(std::vector<pollfd>& entries) const = 0;
  // A ring was removed or replaced: the job is another one.
  virtual bool stale() const = 0;
  virtual TaskStatus status() const = 0;
};

// Error: a ring that can't be opened; again a second later.
tl::expected<std::unique_ptr<Task>, std::string> make_job(const Environment& environment, std::string name,
                                                          const job::Paths& paths, const job::Spec& spec,
                                                          StrikesPlace strikes);
tl::expected<std::unique_ptr<Task>, std::string> make_pictures(const Environment& environment,
                                                               const job::Paths& paths, StrikesPlace strikes);

}  // namespace headgate::transcode
