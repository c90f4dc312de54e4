// What a Server, its inputs and its pushes share. Threading: the media thread's.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/bridge/srt/arrivals.h"
#include "dataplane/bridge/srt/feed_tap.h"
#include "dataplane/bridge/srt/intake.h"
#include "dataplane/bridge/srt/server.h"
#include "dataplane/bridge/srt/worker.h"

namespace headgate::bridge::srt {

struct Server::Impl : std::enable_shared_from_this<Impl> {
  Impl(Find f, Post p, FindEntry e, const Limits& l)
      : find(std::move(f)), post(std::move(p)), entries(std::move(e)), limits(l) {}

  void start();
  void stop();
  void join(std::uint64_t session, const std::string& channel);
  void leave(const std::string& channel);
  Worker::Hub worker_hub();
  void make_arrivals();

  Find find;
  Post post;
  FindEntry entries;
  Limits limits;
  Resolver resolver;
  std::shared_ptr<Gate> gate;
  std::unique_ptr<Arrivals> arrivals;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<Worker> worker;
  std::vector<std::shared_ptr<Listener>> listeners;  // in the order of the addresses
  std::map<std::string, FeedTap, std::less<>> taps;  // of channels that have players
  std::uint32_t next_key = 1;
  InputId next_input = 1;
  Worker::PushId next_push = 1;
};

}  // namespace headgate::bridge::srt
