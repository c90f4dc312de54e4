// Values of the model in the words of the files, for a plan. Nothing secret: of tokens only their number, of
// passphrases the files.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "config/model/diff.h"

namespace headgate::config {

std::string in_words(bool value);
std::string in_words(std::uint16_t value);
std::string in_words(std::uint32_t value);
std::string in_words(const std::string& value);
std::string in_words(const std::vector<std::string>& values);
std::string in_words(const std::vector<std::uint32_t>& values);
std::string in_words(LogLevel value);
std::string in_words(LogFormat value);
std::string in_words(Igmp value);
std::string in_words(Hugepages value);
std::string in_words(Idle value);
std::string in_words(const std::vector<HttpServer>& servers);
std::string in_words(const std::vector<RtmpServer>& servers);
std::string in_words(const std::vector<RtmpsServer>& servers);
std::string in_words(const std::vector<SrtServer>& servers);
std::string in_words(const std::optional<AdminServer>& server);
std::string in_words(const std::optional<Webhook>& webhook);
std::string in_words(const Rendition& rendition);
std::string in_words(const Multiplex& multiplex);

std::vector<ValueChange> channel_values(const Channel& running, const Channel& wanted);
// Pushes that run and end, or whose receivers see a break.
std::vector<std::string> interrupted_pushes(const Channel& running, const Channel& wanted);

}  // namespace headgate::config
