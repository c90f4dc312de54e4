#include "control/daemon/sessions.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "control/daemon/daemon.h"
#include "control/daemon/foreign.h"

namespace headgate::control {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kSessionsBound{3};
constexpr std::size_t kLongestId = 40;

bool has_channel(const config::Model& model, const std::string& id) {
  const auto is = [&](const auto& one) { return one.id == id; };
  return std::any_of(model.channels.begin(), model.channels.end(), is) ||
         std::any_of(model.renditions.begin(), model.renditions.end(), is);
}

}  // namespace

json session_of(const json& foreign_session) {
  json out = json::object();
  for (const char* name : {"id", "channel", "protocol", "role", "address", "state"})
    out[name] = foreign::text(foreign_session, name);
  for (const char* name : {"url", "user_agent", "error"}) {
    const std::string text = foreign::text(foreign_session, name);
    out[name] = text.empty() ? json(nullptr) : json(text);
  }
  for (const char* name : {"bytes", "bitrate_bps", "skipped"})
    out[name] = foreign::count(foreign_session, name).value_or(0);
  out["since_unix_ns"] = foreign::time(foreign_session, "since_unix_ns");
  const auto rtt = foreign::count(foreign_session, "rtt_ns");
  out["rtt_ns"] = rtt ? json(*rtt) : json(nullptr);
  return out;
}

json sessions_answer(const json& bridge_answer) {
  json sessions = json::array();
  for (const json& each : foreign::list(bridge_answer, "sessions")) sessions.push_back(session_of(each));
  const std::size_t told = sessions.size();
  return {{"now_unix_ns", foreign::time(bridge_answer, "now_unix_ns")},
          {"total", std::max<std::uint64_t>(foreign::count(bridge_answer, "total").value_or(told), told)},
          {"left_out", foreign::count(bridge_answer, "left_out").value_or(0)},
          {"sessions", std::move(sessions)}};
}

std::string in_words(const json& session) {
  const auto text = [&](const char* name) { return foreign::text(session, name); };
  const std::string where = text("address").empty() ? text("url") : text("address");
  return fmt::format("{} ({} of {} by {}{}{})", text("id"), text("role"), text("channel"), text("protocol"),
                     where.empty() ? "" : ", ", where);
}

std::string sessions_failure(const std::string& why, const std::string& id) {
  if (!id.empty() && why.starts_with("no session has this id"))
    return fmt::format("no session {} now; headgate sessions lists those that are", id);
  return fmt::format(
      "the bridge, which serves players and publishers, does not answer ({}): it is started again at once, "
      "try again; headgate status tells of it",
      foreign::line(why));
}

void Daemon::answer_sessions(const json& params, Reply reply) {
  json wanted = json::object();
  if (const auto channel = params.find("channel"); channel != params.end()) {
    if (!channel->is_string())
      return reply(tl::unexpected<std::string>("channel: an id, or a pattern as 'sport*'"));
    const auto id = channel->get<std::string>();
    if (id.find_first_of("*?[") == std::string::npos && !has_channel(*model_, id))
      return reply(tl::unexpected("no channel " + id + " in the running map"));
    wanted["channel"] = id;
  }
  if (const auto limit = params.find("limit"); limit != params.end()) {
    if (!limit->is_number_unsigned() || *limit == 0)
      return reply(tl::unexpected<std::string>("limit: a number, 1 or more"));
    wanted["limit"] = *limit;
  }
  boost::asio::post(observe_thread_, [this, wanted = std::move(wanted), reply = std::move(reply)] {
    const auto told = protocol::call(run_dir_.bridge_socket(), "sessions", wanted, kSessionsBound);
    tl::expected<json, std::string> answer = tl::unexpected<std::string>("");
    if (told)
      answer = sessions_answer(*told);
    else
      answer = tl::unexpected(sessions_failure(told.error(), ""));
    boost::asio::post(io_, [reply, answer = std::move(answer)] { reply(answer); });
  });
}

void Daemon::kick(const json& params, const std::string& who, Reply reply) {
  const auto wanted = params.find("id");
  if (wanted == params.end() || !wanted->is_string() || wanted->get<std::string>().empty() ||
      wanted->get<std::string>().size() > kLongestId)
    return reply(tl::unexpected<std::string>("id: that of a session, as headgate sessions lists it"));
  const std::string id = foreign::line(wanted->get<std::string>());
  boost::asio::post(observe_thread_, [this, id, who, reply = std::move(reply)] {
    const auto told = protocol::call(run_dir_.bridge_socket(), "kick", {{"id", id}}, kSessionsBound);
    boost::asio::post(io_, [this, id, who, reply, told] {
      if (!told) return reply(tl::unexpected(sessions_failure(told.error(), id)));
      const json session = session_of(foreign::member(*told, "kicked"));
      add_event("info", "kicked", foreign::text(session, "channel"),
                fmt::format("{} ended by {}", in_words(session), who));
      reply(json{{"kicked", session}});
    });
  });
}

}  // namespace headgate::control
