#include "dataplane/job/spec.h"

#include <nlohmann/json.hpp>

#include "control/protocol/state.h"

namespace headgate::job {
namespace {

constexpr int kVersion = 1;

}  // namespace

const char* to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::sound:
      return "sound";
    case Kind::ladder:
      return "ladder";
    case Kind::pictures:
      break;
  }
  return "pictures";
}

tl::expected<void, std::string> write_spec(const Paths& paths, const Spec& spec) {
  const nlohmann::json out{{"version", kVersion}, {"kind", to_string(spec.kind)}, {"channel", spec.channel}};
  return protocol::write_file_atomically(paths.spec(), out.dump() + "\n");
}

tl::expected<Spec, std::string> read_spec(const Paths& paths) {
  const auto text = protocol::read_file(paths.spec());
  if (!text) return tl::unexpected<std::string>(text.error());
  const auto wrong = [&](const char* what) {
    return tl::unexpected<std::string>(paths.spec() + ": " + what);
  };
  const nlohmann::json in = nlohmann::json::parse(*text, nullptr, false);
  if (!in.is_object()) return wrong("no JSON object");
  if (!in.contains("version") || in["version"] != kVersion) return wrong("of another version");
  Spec spec;
  if (!in.contains("channel") || !in["channel"].is_string()) return wrong("no channel");
  spec.channel = in["channel"].get<std::string>();
  for (const Kind kind : {Kind::sound, Kind::ladder, Kind::pictures}) {
    if (in.contains("kind") && in["kind"] == to_string(kind)) {
      spec.kind = kind;
      return spec;
    }
  }
  return wrong("unknown kind of job");
}

}  // namespace headgate::job
