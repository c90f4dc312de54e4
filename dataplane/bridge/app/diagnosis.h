// Why a channel makes no media although packets come, in a sentence for whoever is called at night: which
// track, and what is wrong with it. Threading: pure functions.
#pragma once

#include <string>

namespace headgate::bridge::hub {
class ChannelHub;
}

namespace headgate::bridge::app {

// The tables came, and none of their tracks can be carried.
bool carries_nothing(const hub::ChannelHub& hub);
std::string why_no_segment(const hub::ChannelHub& hub);
// Of a video that was given up.
std::string why_no_video(const hub::ChannelHub& hub);
std::string why_no_random_access(const hub::ChannelHub& hub);

}  // namespace headgate::bridge::app
