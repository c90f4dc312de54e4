// The answer to "status" on the control socket. Threading: pure but for forgetting old viewers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace headgate::bridge::http {
class Server;
}

namespace headgate::bridge::hub {
struct OutputStatus;
struct LeftOutTrack;
}  // namespace headgate::bridge::hub

namespace headgate::bridge::push {
struct PushStatus;
enum class PushState : std::uint8_t;
}  // namespace headgate::bridge::push

namespace headgate::bridge::rtmp {
class Server;
}

namespace headgate::bridge::app {

class Bridge;
class RingPump;

const char* to_string(push::PushState state);
// `rtt_ms` among the details that a protocol tells.
std::optional<std::int64_t> round_trip_of(const std::map<std::string, std::string>& details);
// An entry of a channel's `outputs`.
nlohmann::json to_json(const hub::OutputStatus& output);
// An entry of a channel's `pushes`.
nlohmann::json to_json(const std::string& url, const push::PushStatus& status);
nlohmann::json left_out_json(const std::vector<hub::LeftOutTrack>& tracks);

// `rtmp` may be null.
nlohmann::json status(Bridge& bridge, const http::Server& server, const RingPump& pump,
                      const rtmp::Server* rtmp = nullptr);

}  // namespace headgate::bridge::app
