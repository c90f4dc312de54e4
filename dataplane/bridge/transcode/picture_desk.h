// The one job that decodes pictures of all channels: bounds how many are under way, and knows who asked.
// References: dataplane/job/message.h. Threading: owned by the bridge's media thread. Ownership: the maker
// outlives it; askers leave before they go.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/bridge/transcode/job.h"
#include "dataplane/job/message.h"

namespace headgate::bridge::transcode {

class PictureAsker {
 public:
  virtual ~PictureAsker() = default;
  virtual void on_picture(const job::PictureResult& picture, std::span<const std::uint8_t> jpeg) = 0;
  // The answer to the last request does not come.
  virtual void on_lost() = 0;
};

struct PictureDeskCounters {
  std::uint64_t requests = 0;
  std::uint64_t results = 0;
  std::uint64_t lost = 0;        // requests without an answer for kPatience
  std::uint64_t unexpected = 0;  // messages of the worker that answer nothing, or are none
};

class PictureDesk {
 public:
  static constexpr std::size_t kMaxOutstanding = 8;
  static constexpr std::size_t kMaxBytes = 2 * 1024 * 1024;  // of a request's access units
  static constexpr std::chrono::seconds kPatience{10};
  using Time = std::chrono::steady_clock::time_point;

  explicit PictureDesk(JobMaker& maker) : maker_(maker) {}

  // `id` is nobody else's. While somebody is here, there is the job.
  void join(std::uint32_t id, PictureAsker* asker);
  void leave(std::uint32_t id);
  // One request of each asker at a time. False: not now, all places are taken or the ring is full.
  bool ask(std::uint32_t id, const job::PictureRequest& request, std::span<const std::uint8_t> access_units,
           Time now);
  void on_tick(Time now);

  const PictureDeskCounters& counters() const { return counters_; }
  std::size_t outstanding() const { return asked_.size(); }
  const Job* job() const { return job_.get(); }

 private:
  void on_message(const ring::MessageHeader& header, std::span<const std::uint8_t> payload);

  JobMaker& maker_;
  std::map<std::uint32_t, PictureAsker*> askers_;
  std::map<std::uint32_t, Time> asked_;
  std::unique_ptr<Job> job_;
  std::vector<std::uint8_t> buffer_;
  PictureDeskCounters counters_;
};

}  // namespace headgate::bridge::transcode
