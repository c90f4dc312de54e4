#include "mpegts/scte35/splice_info.h"

namespace headgate::mpegts {

const char* to_string(SpliceCommand command) noexcept {
  switch (command) {
    case SpliceCommand::splice_null:
      return "splice_null";
    case SpliceCommand::splice_schedule:
      return "splice_schedule";
    case SpliceCommand::splice_insert:
      return "splice_insert";
    case SpliceCommand::time_signal:
      return "time_signal";
    case SpliceCommand::bandwidth_reservation:
      return "bandwidth_reservation";
    case SpliceCommand::private_command:
      return "private_command";
  }
  return "reserved";
}

const char* segmentation_type_name(std::uint8_t type_id) noexcept {
  switch (type_id) {
    case 0x00:
      return "Not Indicated";
    case 0x01:
      return "Content Identification";
    case 0x10:
      return "Program Start";
    case 0x11:
      return "Program End";
    case 0x12:
      return "Program Early Termination";
    case 0x13:
      return "Program Breakaway";
    case 0x14:
      return "Program Resumption";
    case 0x15:
      return "Program Runover Planned";
    case 0x16:
      return "Program Runover Unplanned";
    case 0x17:
      return "Program Overlap Start";
    case 0x20:
      return "Chapter Start";
    case 0x21:
      return "Chapter End";
    case 0x30:
      return "Provider Advertisement Start";
    case 0x31:
      return "Provider Advertisement End";
    case 0x32:
      return "Distributor Advertisement Start";
    case 0x33:
      return "Distributor Advertisement End";
    case 0x34:
      return "Provider Placement Opportunity Start";
    case 0x35:
      return "Provider Placement Opportunity End";
    case 0x36:
      return "Distributor Placement Opportunity Start";
    case 0x37:
      return "Distributor Placement Opportunity End";
    case 0x40:
      return "Unscheduled Event Start";
    case 0x41:
      return "Unscheduled Event End";
    case 0x50:
      return "Network Start";
    case 0x51:
      return "Network End";
    default:
      return "";
  }
}

}  // namespace headgate::mpegts
