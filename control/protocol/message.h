// The control protocol: one JSON object a line over a Unix stream socket, at most 16 MiB a line.
//   request   {"v":1,"id":7,"method":"apply","params":{…}}
//   answer    {"v":1,"id":7,"result":{…}}   or   {"v":1,"id":7,"error":{"message":"…"}}
// Methods of the data-plane processes (idempotent):
//   hello   -> {"process":"fastpath","pid":1,"version":"0.1.0","generation":12,"started_unix_ns":…}
//   apply   -> loads the state file and makes it so; {"generation":12}; an error changes nothing
//   status  -> what no counter page holds (bridge: tracks, segments, sessions; fast path: memberships)
// docs/formats.md describes each in full.
// Threading: pure functions; Client belongs to one thread and blocks up to its timeout.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

namespace headgate::protocol {

inline constexpr int kProtocolVersion = 1;
inline constexpr std::size_t kMaxLine = 16 * 1024 * 1024;

struct Request {
  std::uint64_t id = 0;
  std::string method;
  nlohmann::json params = nlohmann::json::object();
};

// One line without its newline.
tl::expected<Request, std::string> parse_request(const std::string& line);
std::string format_request(const Request& request);
std::string format_result(std::uint64_t id, const nlohmann::json& result);
std::string format_error(std::uint64_t id, const std::string& message);

// Connects, sends one request, waits for its answer, closes. Error: the peer's message, or why it can't be
// reached.
tl::expected<nlohmann::json, std::string> call(const std::string& socket_path, const std::string& method,
                                               const nlohmann::json& params,
                                               std::chrono::milliseconds timeout);

}  // namespace headgate::protocol
