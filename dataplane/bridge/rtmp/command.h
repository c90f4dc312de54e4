// The commands of players as values, and what the server answers. References: Adobe RTMP 1.0, 7.2; Enhanced
// RTMP v2 (2026-01-31), "connect" (fourCcList, videoFourCcInfoMap, audioFourCcInfoMap, capsEx).
// Threading: pure functions, values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/bridge/rtmp/amf0.h"
#include "dataplane/bridge/rtmp/flv.h"

namespace headgate::bridge::rtmp {

// Name, transaction, command object, arguments.
struct Command {
  std::string name;
  double transaction = 0;
  Amf0Value object;
  std::vector<Amf0Value> arguments;
  std::string_view text(std::size_t argument) const;
  double number(std::size_t argument) const;
  bool flag(std::size_t argument) const;
};

// Of a message of type 20, or of 17 with its leading zero byte. Nothing: no command.
std::optional<Command> parse_command(std::span<const std::uint8_t> body, bool amf3);

// Of the object of connect, or of its result.
Codecs codecs_of(const Amf0Value& object);

struct ConnectRequest {
  std::string app;    // without query and slashes around it
  std::string key;    // "key" in the query of tcUrl or app: some encoders have no other place for it
  std::string agent;  // flashVer, as it was sent
  Codecs codecs;
};
ConnectRequest read_connect(const Command& command);

// The channel in a stream name: without query, and without the "mp4:" or "flv:" that some players put in
// front.
std::string_view channel_of(std::string_view stream_name);

// The value of a name in what stands behind the first '?', up to the next '&'; not decoded. "" without.
std::string_view query_value(std::string_view text, std::string_view name);

// `enhanced`: names what encoders may send of Enhanced RTMP; for those that speak of it themselves.
std::vector<std::uint8_t> connect_result(double transaction, bool enhanced = false);
std::vector<std::uint8_t> connect_error(double transaction, std::string_view code,
                                        std::string_view description);
std::vector<std::uint8_t> result(double transaction);
std::vector<std::uint8_t> result(double transaction, double value);
std::vector<std::uint8_t> call_error(double transaction, std::string_view description);
// level: "status" or "error".
std::vector<std::uint8_t> on_status(std::string_view level, std::string_view code,
                                    std::string_view description, std::string_view details = {});
std::vector<std::uint8_t> on_fc_subscribe(std::string_view channel);
// onFCPublish, onFCUnpublish.
std::vector<std::uint8_t> on_fc(std::string_view name, std::string_view code, std::string_view channel);
std::vector<std::uint8_t> sample_access();

// User control events (7.1.7).
enum class UserControl : std::uint16_t {
  stream_begin = 0,
  stream_eof = 1,
  set_buffer_length = 3,
  ping_request = 6,
  ping_response = 7,
};
std::vector<std::uint8_t> user_control(UserControl event, std::uint32_t value);
std::vector<std::uint8_t> four_bytes(std::uint32_t value);

}  // namespace headgate::bridge::rtmp
