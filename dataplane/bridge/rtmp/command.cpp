#include "dataplane/bridge/rtmp/command.h"

#include <algorithm>
#include <cmath>

namespace headgate::bridge::rtmp {
namespace {

constexpr int kCanDecode = 1;  // of a FourCcInfoMap's mask

bool lists(const Amf0Value& object, std::string_view map, std::string_view four_cc) {
  if (const Amf0Value* list = object.find("fourCcList"); list != nullptr) {
    for (const auto& [name, value] : list->members) {
      if (value.type == Amf0Type::string && (value.text == four_cc || value.text == "*")) return true;
    }
  }
  if (const Amf0Value* codecs = object.find(map); codecs != nullptr) {
    for (const auto& [name, value] : codecs->members) {
      const bool decodes = value.type == Amf0Type::number && std::isfinite(value.number) &&
                           value.number >= 0 && value.number < 256 &&
                           (static_cast<int>(value.number) & kCanDecode) != 0;
      if (decodes && (name == four_cc || name == "*")) return true;
    }
  }
  return false;
}

Amf0Writer status_object(std::string_view name, double transaction) {
  Amf0Writer writer;
  writer.string(name).number(transaction);
  return writer;
}

void put_status(Amf0Writer& writer, std::string_view level, std::string_view code,
                std::string_view description) {
  writer.key("level").string(level).key("code").string(code).key("description").string(description);
}

}  // namespace

std::string_view Command::text(std::size_t argument) const {
  if (argument >= arguments.size() || arguments[argument].type != Amf0Type::string) return {};
  return arguments[argument].text;
}

double Command::number(std::size_t argument) const {
  if (argument >= arguments.size() || arguments[argument].type != Amf0Type::number) return 0;
  return arguments[argument].number;
}

bool Command::flag(std::size_t argument) const {
  return argument < arguments.size() && arguments[argument].type == Amf0Type::boolean &&
         arguments[argument].number != 0;
}

std::optional<Command> parse_command(std::span<const std::uint8_t> body, bool amf3) {
  // 7.1.1: an AMF3 message's values are AMF0 behind a byte of zero until a marker says otherwise.
  if (amf3) {
    if (body.empty() || body[0] != 0) return std::nullopt;
    body = body.subspan(1);
  }
  auto values = parse_amf0(body);
  if (!values || values->empty() || (*values)[0].type != Amf0Type::string) return std::nullopt;
  Command command;
  command.name = std::move((*values)[0].text);
  if (values->size() > 1 && (*values)[1].type == Amf0Type::number && std::isfinite((*values)[1].number))
    command.transaction = (*values)[1].number;
  if (values->size() > 2) command.object = std::move((*values)[2]);
  for (std::size_t i = 3; i < values->size(); ++i) command.arguments.push_back(std::move((*values)[i]));
  return command;
}

Codecs codecs_of(const Amf0Value& object) {
  Codecs codecs;
  codecs.listed = object.find("fourCcList") != nullptr || object.find("videoFourCcInfoMap") != nullptr ||
                  object.find("audioFourCcInfoMap") != nullptr;
  if (!codecs.listed) return codecs;
  codecs.hvc1 = lists(object, "videoFourCcInfoMap", "hvc1");
  codecs.ac3 = lists(object, "audioFourCcInfoMap", "ac-3");
  codecs.eac3 = lists(object, "audioFourCcInfoMap", "ec-3");
  return codecs;
}

ConnectRequest read_connect(const Command& command) {
  ConnectRequest request;
  std::string_view app = command.object.text_of("app");
  request.key = query_value(app, "key");
  if (request.key.empty()) request.key = query_value(command.object.text_of("tcUrl"), "key");
  app = app.substr(0, app.find('?'));
  while (app.starts_with('/')) app.remove_prefix(1);
  while (app.ends_with('/')) app.remove_suffix(1);
  request.app = app;
  request.agent = command.object.text_of("flashVer");
  request.codecs = codecs_of(command.object);
  return request;
}

std::string_view channel_of(std::string_view stream_name) {
  std::string_view name = stream_name.substr(0, stream_name.find('?'));
  for (const std::string_view prefix : {"mp4:", "flv:"}) {
    if (name.starts_with(prefix)) {
      name.remove_prefix(prefix.size());
      break;
    }
  }
  return name;
}

std::string_view query_value(std::string_view text, std::string_view name) {
  const std::size_t mark = text.find('?');
  std::string_view rest = mark == std::string_view::npos ? std::string_view() : text.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find('&'));
    if (item.size() > name.size() && item.starts_with(name) && item[name.size()] == '=')
      return item.substr(name.size() + 1);
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
  }
  return {};
}

std::vector<std::uint8_t> connect_result(double transaction, bool enhanced) {
  Amf0Writer writer;
  writer.string("_result").number(transaction);
  writer.object().key("fmsVer").string("FMS/3,0,1,123").key("capabilities").number(31).end();
  writer.object();
  put_status(writer, "status", "NetConnection.Connect.Success", "Connection succeeded.");
  // AMF0, whatever was asked for: a client then speaks AMF0 as well.
  writer.key("objectEncoding").number(0);
  if (enhanced) {
    writer.key("fourCcList").strict_array(6);
    for (const char* four_cc : {"avc1", "hvc1", "mp4a", ".mp3", "ac-3", "ec-3"}) writer.string(four_cc);
  }
  writer.end();
  return writer.take();
}

std::vector<std::uint8_t> connect_error(double transaction, std::string_view code,
                                        std::string_view description) {
  Amf0Writer writer = status_object("_error", transaction);
  writer.null().object();
  put_status(writer, "error", code, description);
  writer.end();
  return writer.take();
}

std::vector<std::uint8_t> result(double transaction) {
  return Amf0Writer().string("_result").number(transaction).null().null().take();
}

std::vector<std::uint8_t> result(double transaction, double value) {
  return Amf0Writer().string("_result").number(transaction).null().number(value).take();
}

std::vector<std::uint8_t> call_error(double transaction, std::string_view description) {
  Amf0Writer writer = status_object("_error", transaction);
  writer.null().object();
  put_status(writer, "error", "NetConnection.Call.Failed", description);
  writer.end();
  return writer.take();
}

std::vector<std::uint8_t> on_status(std::string_view level, std::string_view code,
                                    std::string_view description, std::string_view details) {
  Amf0Writer writer = status_object("onStatus", 0);
  writer.null().object();
  put_status(writer, level, code, description);
  if (!details.empty()) writer.key("details").string(details);
  writer.end();
  return writer.take();
}

std::vector<std::uint8_t> on_fc(std::string_view name, std::string_view code, std::string_view channel) {
  Amf0Writer writer = status_object(name, 0);
  writer.null().object();
  put_status(writer, "status", code, channel);
  writer.end();
  return writer.take();
}

std::vector<std::uint8_t> on_fc_subscribe(std::string_view channel) {
  return on_fc("onFCSubscribe", "NetStream.Play.Start", channel);
}

std::vector<std::uint8_t> sample_access() {
  return Amf0Writer().string("|RtmpSampleAccess").boolean(true).boolean(true).take();
}

std::vector<std::uint8_t> four_bytes(std::uint32_t value) {
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

std::vector<std::uint8_t> user_control(UserControl event, std::uint32_t value) {
  auto out = four_bytes(value);
  const auto number = static_cast<std::uint16_t>(event);
  out.insert(out.begin(), {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
  return out;
}

}  // namespace headgate::bridge::rtmp
