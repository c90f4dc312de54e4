// What the control socket answers to `sessions` and `kick`: everybody who is connected, of every protocol.
// Ten thousand are gathered and written down a hundred at a time, with the loop's other work between.
// Threading: owned by the bridge's media thread; what it names outlives it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>
#include <tl/expected.hpp>

#include "control/protocol/message.h"
#include "dataplane/bridge/hub/session_info.h"

namespace boost::asio {
class io_context;
}

namespace headgate::bridge::http {
class Server;
}
namespace headgate::bridge::rtmp {
class Server;
}
namespace headgate::bridge::srt {
class Server;
}

namespace headgate::bridge::app {

class Bridge;
class Pushes;
class Sources;

nlohmann::json to_json(const hub::SessionInfo& session);
// Which to see first: pushes and pulls without a connection, then who loses most, then the newest.
bool worse(const hub::SessionInfo& a, const hub::SessionInfo& b);

class Sessions {
 public:
  static constexpr std::size_t kAtOnce = 100;
  static constexpr std::size_t kMost = 10'000;  // in an answer; the others are counted

  struct Parts {
    Bridge& bridge;
    http::Server& http;
    rtmp::Server& rtmp;
    srt::Server& srt;
    Pushes& pushes;
    Sources& sources;
  };
  Sessions(boost::asio::io_context& context, const Parts& parts) : context_(context), parts_(parts) {}

  // Params: `channel`, an id or a pattern as the shell's; `limit`. `reply` gets the line, later.
  void answer(const protocol::Request& request, std::function<void(std::string line)> reply);
  // Params: `id`. Ends that session; a push or a pull connects anew at once.
  tl::expected<nlohmann::json, std::string> kick(const nlohmann::json& params);

 private:
  struct Gathering;
  std::optional<hub::SessionInfo> kick(std::string_view protocol, std::uint64_t number);

  boost::asio::io_context& context_;
  Parts parts_;
};

}  // namespace headgate::bridge::app
