// What control answers to the requests on its socket.
#include <fmt/core.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "control/daemon/daemon.h"
#include "control/daemon/plan_answer.h"
#include "control/diagnosis/diagnosis.h"

#ifndef HEADGATE_VERSION
#define HEADGATE_VERSION "0.1.0"
#endif

namespace headgate::control {
namespace {

constexpr std::size_t kMaxProbes = 8;
// What status may show without looking again, and how long it waits for the processes to answer.
constexpr std::chrono::milliseconds kFresh{200};
constexpr std::chrono::milliseconds kPatience{700};
constexpr std::size_t kMaxWaitingForStatus = 256;
constexpr std::chrono::seconds kTapBound{3};

}  // namespace

// What is shown is at most kFresh old, also right after a kill or an apply. A process that does not answer
// must not hold the operator up.
void Daemon::answer_fresh(std::function<void()> answer) {
  const auto now = std::chrono::steady_clock::now();
  if (now - sampled_ > kFresh) sample();
  waiting_.push_back(std::move(answer));
  if (now - observed_ <= kFresh || waiting_.size() > kMaxWaitingForStatus) return answer_waiting();
  observe_later();
  if (waiting_.size() > 1) return;  // the timer runs
  waiting_timer_.expires_after(kPatience);
  waiting_timer_.async_wait([this](boost::system::error_code error) {
    if (!error) answer_waiting();
  });
}

void Daemon::answer_waiting() {
  if (waiting_.empty()) return;
  waiting_timer_.cancel();
  for (const auto& answer : std::exchange(waiting_, {})) answer();
}

void Daemon::answer_status(const std::string& channel, Reply reply) {
  answer_fresh([this, channel, reply = std::move(reply)] {
    auto status = channel.empty() ? gateway_status(view()) : channel_status(view(), channel);
    if (status.is_null()) status = multiplex_status(view(), channel);
    if (status.is_null())
      reply(tl::unexpected("no channel " + channel + " in the running map"));
    else
      reply(std::move(status));
  });
}

void Daemon::answer_why(const std::string& channel, Reply reply) {
  answer_fresh([this, channel, reply = std::move(reply)] {
    GatewayView now = view();
    for (const Event& event : events_->recent()) {
      if (event.subject == channel) now.events.push_back(event);
    }
    if (const auto about = diagnose(now, channel))
      reply(to_json(*about));
    else
      reply(tl::unexpected("no channel " + channel + " in the running map"));
  });
}

void Daemon::start_tap(const nlohmann::json& params, Reply reply) {
  const auto wish = parse_probe_wish(params);
  if (!wish) return reply(tl::unexpected(wish.error()));
  const auto target = find_probe_target(*model_, *wish);
  if (!target) return reply(nlohmann::json{{"taken", false}});
  boost::asio::post(observe_thread_, [this, target = *target, time = wish->time, reply = std::move(reply)] {
    auto answer = tap_answer(
        target, protocol::call(run_dir_.fastpath_socket(), "tap", tap_request(target, time), kTapBound));
    boost::asio::post(io_, [reply, answer = std::move(answer)] { reply(answer); });
  });
}

void Daemon::start_probe(const nlohmann::json& params, Reply reply) {
  const auto wish = parse_probe_wish(params);
  if (!wish) return reply(tl::unexpected(wish.error()));
  auto target = find_probe_target(*model_, *wish);
  if (!target) return reply(nlohmann::json{{"taken", false}});
  if (probes_.size() >= kMaxProbes)
    return reply(probe_failure(*target, fmt::format("{} probes are under way already", kMaxProbes)));
  sample();
  auto probe = std::make_shared<RunningProbe>(
      RunningProbe{ProbeReading(std::move(*target)), std::move(reply), boost::asio::steady_timer(io_)});
  probe->reading.add(snapshot_, unix_now_ns());
  probe->timer.expires_after(wish->time);
  probe->timer.async_wait([this, probe](boost::system::error_code error) {
    if (!error) end_probe(probe);
  });
  probes_.push_back(std::move(probe));
}

void Daemon::end_probe(const std::shared_ptr<RunningProbe>& probe) {
  sample();
  std::erase(probes_, probe);
  nlohmann::json answer;
  try {
    answer = probe->reading.report(view());
  } catch (const nlohmann::json::exception& error) {  // the bridge's status is another process's
    return probe->reply(tl::unexpected(std::string("the bridge's status can't be read: ") + error.what()));
  }
  probe->reply(std::move(answer));
}

void Daemon::handle(const protocol::Request& request, const std::string& who, Reply reply) {
  const auto& method = request.method;
  const auto text_param = [&](const char* name) {
    const auto value = request.params.find(name);
    return value != request.params.end() && value->is_string() ? value->get<std::string>() : std::string();
  };
  if (method == "hello") {
    reply(nlohmann::json{{"process", "control"},
                         {"pid", ::getpid()},
                         {"version", HEADGATE_VERSION},
                         {"generation", states_.fastpath.generation}});
  } else if (method == "status") {
    answer_status(text_param("channel"), std::move(reply));
  } else if (method == "why") {
    answer_why(text_param("channel"), std::move(reply));
  } else if (method == "tap") {
    start_tap(request.params, std::move(reply));
  } else if (method == "probe") {
    start_probe(request.params, std::move(reply));
  } else if (method == "plan") {
    reply(plan());
  } else if (method == "apply") {
    const auto rollback = request.params.find("rollback");
    if (rollback != request.params.end() && !rollback->is_boolean())
      return reply(tl::unexpected<std::string>("rollback: must be true or false"));
    ApplyJob job;
    job.who = who;
    job.rollback = rollback != request.params.end() && rollback->get<bool>();
    if (const auto to = request.params.find("to"); to != request.params.end()) {
      if (!job.rollback || !to->is_number_unsigned() || to->get<std::uint64_t>() > 0xFFFFFFFF)
        return reply(tl::unexpected<std::string>("to: the number of a map, with rollback"));
      job.to = to->get<std::uint32_t>();
    }
    job.reply = std::move(reply);
    request_apply(std::move(job));
  } else if (method == "switch") {
    request_switch(request.params, who, std::move(reply));
  } else if (method == "sessions") {
    answer_sessions(request.params, std::move(reply));
  } else if (method == "kick") {
    kick(request.params, who, std::move(reply));
  } else if (method == "history") {
    const auto map = request.params.find("map");
    if (map == request.params.end()) return reply(history_json(*history_));
    if (!map->is_number_unsigned() || map->get<std::uint64_t>() > 0xFFFFFFFF)
      return reply(tl::unexpected<std::string>("map: the number of one in the history"));
    reply(history_change(*history_, map->get<std::uint32_t>()));
  } else if (method == "events") {
    reply(events_answer(events_->recent(), request.params));
  } else if (method == "alarms") {
    answer_alarms(reply);
  } else if (method == "acknowledge") {
    acknowledge(request.params, who, reply);
  } else if (method == "maintenance") {
    maintain(request.params, who, reply);
  } else {
    reply(tl::unexpected("unknown method " + method));
  }
}

}  // namespace headgate::control
