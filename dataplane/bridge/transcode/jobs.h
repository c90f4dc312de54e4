// The folders of all jobs in run_dir/bridge/jobs, their rings, and the way of the workers' messages to who
// asked. Rings with something in them are drained every few milliseconds, the others when their FIFO says so.
// A folder that can't be made is tried again every second. References: dataplane/job/spec.h,
// dataplane/ring/message_ring.h. Threading: owned by the thread that runs the io_context. Ownership: the jobs
// it made end before it does.
#pragma once

#include <memory>
#include <string>

#include "dataplane/bridge/transcode/job.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::transcode {

class Jobs final : public JobMaker {
 public:
  Jobs(boost::asio::io_context& context, std::string directory);
  ~Jobs() override;
  // Once, at the start of the process: makes the directory and removes what the process before left there.
  void remove_stale();
  std::unique_ptr<Job> make(const std::string& name, const job::Spec& spec, const RingSizes& sizes,
                            OnMessage on_message) override;
  void stop();
  std::size_t count() const;

 private:
  struct Impl;
  class Link;
  std::shared_ptr<Impl> impl_;
};

}  // namespace headgate::bridge::transcode
