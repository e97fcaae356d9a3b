package words

// pushZH is what package push says.
var pushZH = map[string]string{
	"Give a time as HH:MM, such as 07:30.":                                          "请按 HH:MM 给出时间，例如 07:30。",
	"A test is being sent already. Wait until it has been.":                         "正在发送测试通知。请等它发送完毕。",
	"No device of yours takes notifications yet. Turn them on first.":               "你还没有接收通知的设备。请先开启通知。",
	"Quiet hours end at another time than they begin.":                              "免打扰时段的开始与结束时间不能相同。",
	"The endpoint is not the https address of a push service.":                      "endpoint 不是推送服务的 https 地址。",
	"There is no such device.":                                                      "没有这个设备。",
	"There is no such time zone. Give one such as Asia/Shanghai.":                   "没有这个时区。请给出例如 Asia/Shanghai 的时区。",
	"This server sends no notifications. Ask an administrator to set push.enabled.": "此服务器不发送通知。请联系管理员设置 push.enabled。",
	"You have notifications on %d devices. Remove one of them first.":               "你已在 %d 个设备上开启通知。请先移除其中一个。",
	"auth is not a secret of the browser's.":                                        "auth 不是浏览器给出的密钥。",
	"p256dh is not a public key of the browser's.":                                  "p256dh 不是浏览器给出的公钥。",
}
