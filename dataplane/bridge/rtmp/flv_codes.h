// The numbers of FLV's audio and video tags. References: Adobe FLV 10.1, E.4.2.1 (SoundFormat), E.4.3.1
// (FrameType, CodecID, AVCPacketType); Enhanced RTMP v2 (2026-01-31), "Enhanced Audio", "Enhanced Video".
// Threading: constants.
#pragma once

namespace headgate::bridge::rtmp::flv {

// FrameType.
inline constexpr unsigned kKeyFrame = 1, kInterFrame = 2, kGeneratedKeyFrame = 4, kCommandFrame = 5;
// CodecID. 12 is no number of Adobe's, but that of many encoders.
inline constexpr unsigned kAvc = 7, kHevc = 12;
// AVCPacketType, AACPacketType.
inline constexpr unsigned kSequenceHeader = 0, kMedia = 1, kEndOfSequence = 2;
// SoundFormat.
inline constexpr unsigned kMp3 = 2, kExtendedAudio = 9, kAac = 10, kMp3At8kHz = 14;

// Enhanced: the first byte's high bit, then the packet types of both kinds, where they differ in number by
// kind.
inline constexpr unsigned kExtendedVideo = 0x80;
inline constexpr unsigned kSequenceStart = 0, kCodedFrames = 1, kSequenceEnd = 2, kCodedFramesX = 3;
inline constexpr unsigned kVideoMetadata = 4, kAudioMultitrack = 5, kVideoMultitrack = 6, kModEx = 7;
inline constexpr unsigned kNanosecondOffset = 0;                     // of ModEx
inline constexpr unsigned kOneTrack = 0, kManyTracksManyCodecs = 2;  // AvMultitrackType

}  // namespace headgate::bridge::rtmp::flv
